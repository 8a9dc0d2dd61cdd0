"""Write, print and note what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from churn.core.files import atomic, write_json
from churn.core.params import Params
from churn.monitor import issues, markdown, page, textfile
from churn.monitor.results import Kind, Report
from churn.monitor.run import Found
from churn.registry import Registry
from churn.registry.working_copy import working_copy
from churn.review.report import run_address
from churn.review.report.text import clip
from churn.tracking import runs

JSON, PAGE, SUMMARY = "monitor.json", "monitor.html", "monitor.md"
TEXTFILE = "monitor.prom"
TAG = "monitor"  # of a version
_ENDED_BY_TRAINING: frozenset[Kind] = frozenset({"data", "predictions", "estimate", "performance"})
_MOST_REASON = 1000  # characters
_QUIET, _ALARM, _UNKNOWN = 0, 1, 2


def write(found: Found, folder: Path) -> None:
    """Write the report as JSON, as a page, and for Prometheus."""
    write_json(folder / JSON, found.report)
    texts = {
        PAGE: page.render(found),
        SUMMARY: markdown.summary(found.report, run_address(os.environ)),
        TEXTFILE: textfile.render(found.report),
    }
    for name, text in texts.items():
        with atomic(folder / name) as fresh:
            fresh.write_text(text, encoding="utf-8")


def write_workflow_output(report: Report, environment: Mapping[str, str]) -> None:
    """Write ``reason`` to the file that `GITHUB_OUTPUT` names: why to train on a newer table.

    Without an alarm that a newer table may end there is none.
    """
    file = environment.get("GITHUB_OUTPUT")
    names = [alarm.shown for alarm in report.alarms if alarm.kind in _ENDED_BY_TRAINING]
    if file and names:
        with Path(file).open("a", encoding="utf-8") as output:
            output.write(f"reason={clip('; '.join(names), _MOST_REASON)}\n")


def note(report: Report, folder: Path, root: Path, settings: Params) -> None:
    """Put the result on the version: a tag, and the page beside its run.

    Raises
    ------
    RegistryError, TrackingError
        If the registry cannot be read or changed.
    """
    day = report.until or report.source

    def put() -> None:
        registry = Registry(root, settings.release)
        version = registry.version(int(report.version))
        registry.tag(version, {TAG: f"{day}: {report.headline}"})
        if version.run_id:
            runs.add_files(version.run_id, folder, f"monitor/{report.until or 'table'}")

    with working_copy(root) as copy:
        if copy is None:
            put()
        else:
            copy.move(put, settings.release, again=True)


def keep_issues(report: Report, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Keep an issue for each kind of alarm; parameters and errors as for `issues`."""
    issues.keep(report, issues.repository(environment), run_address(environment), say)


def show(report: Report, folder: Path) -> int:
    """Print the result, and return the exit code."""
    console = Console()
    style = "red" if report.alarms else "green" if report.is_known else "yellow"
    console.print(Text(f"{report.headline} (version {report.version})", style=style))
    if report.alarms:
        table = Table(box=box.SIMPLE_HEAD)
        for column, justify in (("alarm", "left"), ("change", "right"), ("limit", "right")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        table.add_column("windows")
        for alarm in report.alarms:
            table.add_row(
                alarm.shown, f"{alarm.value:.3g}", f"{alarm.limit:.3g}", ", ".join(alarm.windows)
            )
        console.print(table)
    for window in report.windows:
        if window.skipped:
            console.print(Text(f"{window.name}: not judged: {window.skipped}", style="dim"))
    for line in report.notes:
        console.print(Text(line, style="yellow"))
    console.print(f"{folder / PAGE}", soft_wrap=True)
    return _ALARM if report.alarms else _QUIET if report.is_known else _UNKNOWN
