"""Write the comment: main's own findings first, then the report, then a footer."""

from __future__ import annotations

from collections.abc import Sequence

from churn.comment.run import Failure, Run
from churn.comment.touched import Change
from churn.review.report import markdown, mermaid
from churn.review.report.facts import Facts
from churn.review.report.markdown import warning
from churn.review.report.sections import Section
from churn.review.report.tables import first_rows
from churn.review.report.text import code, prose

_MOST_EDITS, _MOST_LINES, _MOST_FAILURES = 40, 10, 10


def compose(facts: Facts, run: Run, change: Change, failures: Sequence[Failure]) -> str:
    """Write the comment for a review.

    The review was made by the pull request's own code, which may pass a model although the run has
    failed or the change touches its own limits or judge. Then the headline says that instead.

    Parameters
    ----------
    facts : Facts
        The review.
    run : Run
    change : Change
        What the pull request touches.
    failures : sequence of Failure
        The failed jobs of the run.
    """
    headline = markdown.headline(facts)
    concerns, warnings = _touched(change)
    top = [f"## {headline}"]
    if facts.verdict.passed and run.conclusion != "success":
        top = [f"## ❌ Do not merge: {_what_failed(run, failures)}"]
        top += [f"The report of this run says otherwise: {headline}"]
    elif facts.verdict.passed and concerns:
        *others, last = concerns
        words = f"{', '.join(others)} and {last}" if others else last
        top = [f"## ⚠️ Look first: this change touches {words}"]
        top += [f"If that is intended, the report says: {headline}"]
    top += [*_listed(failures), *warnings]
    edits = Section("Limits, before and after", _edits(change), 88, folded=True)
    report = markdown.render(facts, mermaid.chart, run.address, top, [edits])
    return f"{report}\n---\n\n{_footer(run)}\n"


def notice(reason: str, run: Run, change: Change, failures: Sequence[Failure]) -> str:
    """Write the comment for a run without a report that can be shown."""
    head = _what_failed(run, failures) if failures else "no report"
    parts = [f"## ❌ Do not merge: {head}", reason, *_listed(failures), *_touched(change)[1]]
    return "\n\n".join([*parts, "---", _footer(run)]) + "\n"


def _what_failed(run: Run, failures: Sequence[Failure]) -> str:
    if not failures:
        return f"the run ended as {prose(run.conclusion)}"
    more = f" (and {len(failures) - 1} more)" if failures[1:] else ""
    return f"{_sentence(failures[0])}{more}"


def _sentence(failure: Failure) -> str:
    where = f" in the step “{prose(failure.step, 80)}”" if failure.step else ""
    return f"{prose(failure.job, 80)} {failure.how}{where}"


def _listed(failures: Sequence[Failure]) -> list[str]:
    """List the failed jobs if there are several; the headline names a single one."""
    lines = [f"- {_sentence(failure)}" for failure in failures[:_MOST_FAILURES]]
    return ["\n".join(lines)] if lines[1:] else []


def _touched(change: Change) -> tuple[list[str], list[str]]:
    """Return what the headline warns of, and one paragraph per kind of files."""
    if change.files is None:
        unknown = "⚠️ **GitHub did not list the files of this change.** Look at its diff."
        return ["unknown files: GitHub did not list them"], [unknown]
    kinds = [
        ("its own limits", "Limits changed in params.yaml", _sections(change)),
        ("the code that judges it", "Code that judges changed", change.files.judging),
        ("workflows", "Workflows changed", change.files.workflows),
    ]
    concerns = [words for words, _, names in kinds if names]
    lines = [line for _, title, names in kinds for line in warning(title, names)]
    if change.edits is None:
        concerns.insert(0, "perhaps its own limits")
        lines.append(
            "⚠️ **Limits may have changed:** params.yaml could not be read, or has a layout that"
            " main's code does not read. Look at its diff."
        )
    if not change.complete:
        concerns.append("more files than GitHub lists")
        lines.append("⚠️ **GitHub does not list all files of this change.** Look at its diff.")
    lines += warning(
        "Code of the model changed, which runs in one process with the code that judges",
        change.files.model,
    )
    return concerns, [*lines, *warning("Data changed", change.files.data)]


def _sections(change: Change) -> list[str]:
    return list(dict.fromkeys(edit.section for edit in change.edits or []))


def _edits(change: Change) -> str:
    rows = [
        [code(edit.section), _lines(edit.before), _lines(edit.after)] for edit in change.edits or []
    ]
    return first_rows(["section", "before", "after"], rows, most=_MOST_EDITS)


def _lines(side: Sequence[str]) -> str:
    shown = [code(line, 120) for line in side[:_MOST_LINES]]
    return "<br>".join(shown + ["…"] * bool(side[_MOST_LINES:]))


def _footer(run: Run) -> str:
    """Return a line with the run, its commit and its conclusion."""
    return (
        f"<sub>[Run {run.number}]({run.address}) of {run.head}: {prose(run.conclusion)}."
        " The pull request's code has computed the numbers; main's code lists what it touches."
        " The check `required` decides whether it may be merged.</sub>"
    )
