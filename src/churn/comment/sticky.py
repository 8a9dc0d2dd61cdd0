"""Select a run's pull request, and our comment among its comments (pure functions)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from churn.comment.run import Run
from churn.provenance.github_answers import Comment, PullRequest

# CML recognises its own comment by this picture, with our title after "CML watermark". CML does
# not escape the title, so it has letters and a hyphen only.
TITLE = "churn-report"
_PICTURE = "https://cml.dev/watermark.png"
_MARKER = re.compile(
    rf'!\[\]\({re.escape(_PICTURE)}#[0-9a-fA-F]+ "CML watermark {re.escape(TITLE)}"\)'
)
# CML reads the first page of comments only.
_CML_PAGE_SIZE = 30


def mark(body: str, commit: str) -> str:
    """Append CML's marker, so that CML and `gh` find each other's comment."""
    return f'{body}\n\n![]({_PICTURE}#{commit} "CML watermark {TITLE}")'


def is_marked(comment: Comment) -> bool:
    """Tell whether a comment has the marker, whoever has written it."""
    return bool(_MARKER.search(comment.body))


def ours(comments: Sequence[Comment], author: str) -> Comment | None:
    """Return the newest comment by `author` that has the marker."""
    marked = [c for c in comments if is_marked(c) and c.author == author]
    return marked[-1] if marked else None


def cml_finds_ours(comments: Sequence[Comment], author: str) -> bool:
    """Tell whether CML would update our comment, or create one if there is none yet.

    CML updates any comment that has the marker, also a comment by someone else, who could edit it
    afterwards to say that a blocked model is fine.
    """
    marked = [c for c in comments[:_CML_PAGE_SIZE] if is_marked(c)]
    return (marked[-1] if marked else None) == ours(comments, author)


def pull_requests_of(run: Run, opened: Sequence[PullRequest]) -> list[PullRequest]:
    """Select the open pull requests from the run's branch, whatever their newest commit.

    The run's event does not name pull requests from forks.
    """
    return [pull for pull in opened if (pull.branch, pull.source) == (run.branch, run.source)]
