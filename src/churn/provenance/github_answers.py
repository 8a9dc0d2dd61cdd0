"""What GitHub's API answers, as far as it is needed.

Each `read` raises an AttributeError, KeyError, TypeError or ValueError where an answer is not as
expected. Standard library only, as `churn.provenance.github`.
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
        Its newest commit.
    branch : str
    source : str or None
        Repository of the branch, ``owner/name``; None where a fork is gone.
    base : str
        The branch that it goes to.
    """

    number: int
    head: str
    branch: str
    source: str | None
    base: str

    @classmethod
    def read(cls, answer: Any) -> PullRequest:
        """Take what is needed."""
        head, base = answer["head"], answer["base"]
        source = (head["repo"] or {}).get("full_name")
        return cls(int(answer["number"]), head["sha"], head["ref"], source, base["ref"])


@dataclass(frozen=True)
class MergedPull:
    """A pull request that has brought a commit here, as far as GitHub says of it."""

    number: int | None
    is_merged: bool
    commit: str | None  # as which it was merged

    @classmethod
    def read(cls, answer: Any) -> MergedPull:
        """Take what is there, and nothing from an answer that is none."""
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
    """A file of a pull request; `before` is another name where it was renamed."""

    name: str
    before: str

    @classmethod
    def read(cls, answer: Any) -> ChangedFile:
        """Take what is needed."""
        name = str(answer["filename"])
        return cls(name, str(answer.get("previous_filename", name)))


@dataclass(frozen=True)
class Comment:
    """A comment of a pull request; `author` is None where the user is gone."""

    id: int
    body: str
    author: str | None

    @classmethod
    def read(cls, answer: Any) -> Comment:
        """Take what is needed."""
        author = (answer["user"] or {}).get("login")
        return cls(int(answer["id"]), answer["body"] or "", author)


@dataclass(frozen=True)
class Step:
    """A step of a job; `conclusion` is None before its end."""

    name: str
    conclusion: str | None


@dataclass(frozen=True)
class Job:
    """A job of a run."""

    name: str
    conclusion: str | None
    steps: tuple[Step, ...] = ()

    @classmethod
    def read(cls, answer: Any) -> Job:
        """Take what is needed."""
        steps = (Step(str(step["name"]), step["conclusion"]) for step in answer["steps"])
        return cls(str(answer["name"]), answer["conclusion"], tuple(steps))


@dataclass(frozen=True)
class Artifact:
    """An artifact of a run."""

    id: int
    name: str
    expired: bool
    size_in_bytes: int

    @classmethod
    def read(cls, answer: Any) -> Artifact:
        """Take what is needed."""
        name, expired = answer["name"], bool(answer["expired"])
        return cls(int(answer["id"]), name, expired, int(answer["size_in_bytes"]))
