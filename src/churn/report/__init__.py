"""Command `report`: the verdict and all that led to it, for a comment and as a page."""

from __future__ import annotations

from churn.files import atomic
from churn.paths import Workspace


def run(workspace: Workspace) -> None:
    """Write ``reports/report.md`` and ``reports/report.html``.

    Raises
    ------
    ArtifactError
        If `gate` has not run.
    """
    from churn.report import facts, markdown, mermaid, page

    known = facts.gather(workspace)
    written = {
        workspace.report: markdown.render(known, mermaid.chart),
        workspace.report_page: page.render(known),
    }
    for target, text in written.items():
        with atomic(target) as fresh:
            fresh.write_text(text, encoding="utf-8")
