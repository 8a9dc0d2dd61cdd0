"""How a retraining has ended: printed, as JSON, and as the summary of a workflow run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from churn.core.files import atomic
from churn.core.paths import Workspace
from churn.review.report.text import prose


@dataclass(frozen=True)
class Outcome:
    """How a retraining has ended.

    Attributes
    ----------
    what : {"not set up", "nothing new", "committed", "proposed"}
    line : str
        The same as a sentence.
    branch, commit, pull_request : str or None
        What was made; the last one as an address.
    change : dict
        How the tables differ (`TableChange`).
    markdown : str
        For the summary of a workflow run.
    """

    what: Literal["not set up", "nothing new", "committed", "proposed"]
    line: str
    branch: str | None = None
    commit: str | None = None
    pull_request: str | None = None
    change: dict[str, object] = field(default_factory=dict)
    markdown: str = ""

    @property
    def lines(self) -> list[str]:
        """What is printed."""
        if self.what == "committed":
            return [self.line, f"look at it with: git switch {self.branch} && dvc checkout"]
        return [self.line, *([self.pull_request] if self.pull_request else [])]

    @property
    def facts(self) -> dict[str, object]:
        """What is printed as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "markdown"}


def write_note(workspace: Workspace, markdown: str) -> None:
    """Write what the summary of a workflow run will say; nothing where no project is."""
    if workspace.params.exists():
        with atomic(workspace.retrain_note) as fresh:
            fresh.write_text(markdown, encoding="utf-8")


def refusal(error: Exception) -> str:
    """Return what that summary says where it has failed."""
    return f"## ❌ No pull request\n\n{prose(str(error), 1000)}\n"
