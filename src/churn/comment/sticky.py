"""Which pull request a run belongs to, and which of its comments is ours: choices, no calls."""

from __future__ import annotations

import re
from collections.abc import Sequence

from churn.comment.run import Run
from churn.provenance.github_answers import Comment, PullRequest

# CML's mark of a comment that it may write again is this picture, with a title behind "CML
# watermark". In the title it may not escape anything, so: letters and a hyphen.
TITLE = "churn-report"
_PICTURE = "https://cml.dev/watermark.png"
_MARK = re.compile(
    rf'!\[\]\({re.escape(_PICTURE)}#[0-9a-fA-F]+ "CML watermark {re.escape(TITLE)}"\)'
)
# CML asks for the first page of comments only.
_CML_LOOKS_AT = 30


def mark(body: str, commit: str) -> str:
    """Append the mark that CML appends, so that either finds the other's comment."""
    return f'{body}\n\n![]({_PICTURE}#{commit} "CML watermark {TITLE}")'


def is_marked(comment: Comment) -> bool:
    """Tell whether a comment bears the mark, whoever has written it."""
    return bool(_MARK.search(comment.body))


def ours(comments: Sequence[Comment], author: str) -> Comment | None:
    """Find the newest comment that bears the mark and was written by `author`."""
    marked = [c for c in comments if is_marked(c) and c.author == author]
    return marked[-1] if marked else None


def cml_agrees(comments: Sequence[Comment], author: str) -> bool:
    """Tell whether CML would write to our comment, or make one where we have none.

    CML takes anyone's comment that bears the mark. Its author could change it afterwards, and say
    that a blocked model is fine.
    """
    marked = [c for c in comments[:_CML_LOOKS_AT] if is_marked(c)]
    return (marked[-1] if marked else None) == ours(comments, author)


def pull_requests_of(run: Run, opened: Sequence[PullRequest]) -> list[PullRequest]:
    """Choose the open pull requests of the run's branch, newer commits or not.

    The event of the run names none where the branch lies in a fork.
    """
    return [p for p in opened if (p.branch, p.source) == (run.branch, run.source)]
