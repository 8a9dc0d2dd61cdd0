"""The objects of GitHub's API, with the fields that are needed here.

Each `read` raises an AttributeError, KeyError, TypeError or ValueError if an answer is malformed.
Standard library only, like `churn.provenance.github`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PullRequest:
    """An open pull request.

    Attributes
    ----------
    number : int
    head : str
        The newest commit of its branch.
    branch : str
        The branch to be merged.
    source : str or None
        Repository of that branch, ``owner/name``; None if a fork was deleted.
    base : str
        The branch to merge into.
    """

    number: int
    head: str
    branch: str
    source: str | None
    base: str

    @classmethod
    def read(cls, answer: Any) -> PullRequest:
        """Parse GitHub's JSON."""
        head, base = answer["head"], answer["base"]
        source = (head["repo"] or {}).get("full_name")
        return cls(int(answer["number"]), head["sha"], head["ref"], source, base["ref"])


@dataclass(frozen=True)
class Issue:
    """An issue, or a pull request, which GitHub lists among the issues."""

    number: int
    body: str
    is_pull: bool

    @classmethod
    def read(cls, answer: Any) -> Issue:
        """Parse GitHub's JSON."""
        return cls(int(answer["number"]), str(answer["body"] or ""), "pull_request" in answer)


@dataclass(frozen=True)
class OpenedPull:
    """A pull request that was opened or changed.

    Attributes
    ----------
    number : int
    address : str
        URL of its page.
    author : str or None
        Who has opened it; None if the account was deleted.
    """

    number: int
    address: str
    author: str | None

    @classmethod
    def read(cls, answer: Any) -> OpenedPull:
        """Parse GitHub's JSON."""
        author = (answer["user"] or {}).get("login")
        return cls(int(answer["number"]), str(answer["html_url"]), author)


@dataclass(frozen=True)
class MergedPull:
    """A pull request that contains a commit; fields that GitHub leaves out are None or False."""

    number: int | None
    is_merged: bool
    commit: str | None  # the merge commit

    @classmethod
    def read(cls, answer: Any) -> MergedPull:
        """Parse GitHub's JSON; a malformed answer gives an empty object."""
        if not isinstance(answer, dict):
            return cls(None, False, None)
        number = answer.get("number")
        return cls(
            number if isinstance(number, int) else None,
            bool(answer.get("merged_at")),
            answer.get("merge_commit_sha"),
        )


@dataclass(frozen=True)
class ChangedFile:
    """A file of a pull request; `before` is its name before a renaming."""

    name: str
    before: str

    @classmethod
    def read(cls, answer: Any) -> ChangedFile:
        """Parse GitHub's JSON."""
        name = str(answer["filename"])
        return cls(name, str(answer.get("previous_filename", name)))


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request; `author` is None if the account was deleted."""

    id: int
    body: str
    author: str | None

    @classmethod
    def read(cls, answer: Any) -> Comment:
        """Parse GitHub's JSON."""
        author = (answer["user"] or {}).get("login")
        return cls(int(answer["id"]), answer["body"] or "", author)


@dataclass(frozen=True)
class Step:
    """A step of a job; `conclusion` is None until it has ended."""

    name: str
    conclusion: str | None


@dataclass(frozen=True)
class Job:
    """A job of a workflow run."""

    name: str
    conclusion: str | None
    steps: tuple[Step, ...] = ()

    @classmethod
    def read(cls, answer: Any) -> Job:
        """Parse GitHub's JSON."""
        steps = (Step(str(step["name"]), step["conclusion"]) for step in answer["steps"])
        return cls(str(answer["name"]), answer["conclusion"], tuple(steps))


@dataclass(frozen=True)
class Artifact:
    """An artifact of a workflow run."""

    id: int
    name: str
    expired: bool
    size_in_bytes: int

    @classmethod
    def read(cls, answer: Any) -> Artifact:
        """Parse GitHub's JSON."""
        name, expired = answer["name"], bool(answer["expired"])
        return cls(int(answer["id"]), name, expired, int(answer["size_in_bytes"]))
