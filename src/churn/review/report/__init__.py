"""Write the report: as Markdown for a comment, as an HTML page, and as JSON.

`facts` is its schema; `markdown` renders it with `mermaid` and `text`. These need the standard
library only, because the comment is rendered where no package is installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churn.core.paths import Workspace


def run(workspace: Workspace) -> None:
    """Write ``reports/report.md``, ``reports/report.html`` and ``build/review.json``.

    Raises
    ------
    ArtifactError
        If `gate` has not run.
    """
    from churn.core.files import atomic, write_json
    from churn.core.shapes import from_json
    from churn.review.report import gather, markdown, mermaid, page
    from churn.review.report.facts import Facts

    document, address = gather.gather(workspace), run_address(os.environ)
    facts = from_json(Facts, document)
    written = {
        workspace.report: markdown.render(facts, mermaid.chart, address),
        workspace.report_page: page.render(facts, address),
    }
    for target, text in written.items():
        with atomic(target) as fresh:
            fresh.write_text(text, encoding="utf-8")
    write_json(workspace.review, document)


def run_address(environment: Mapping[str, str]) -> str:
    """Return the URL of the run of GitHub Actions; empty outside of one."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
