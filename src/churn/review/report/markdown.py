"""Render the report as Markdown, the most important first."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

from churn.evaluation.curve_names import COMPARED
from churn.evaluation.metric_names import TITLES
from churn.evaluation.reason_names import DIRECTIONS, MOST_COLUMNS
from churn.review.comparison import Absent, Compared, Found, Points
from churn.review.outcome import Gate, Verdict
from churn.review.report import against, fairness
from churn.review.report.facts import Check, Facts, Metrics, Reason
from churn.review.report.sections import Section, joined
from churn.review.report.tables import MOST_ROWS, first_rows, listed, table
from churn.review.report.text import code, number, prose

# GitHub refuses a comment of more than 65,536 characters.
LIMIT = 60_000
_MOST_WARNED = 5
_OPEN_ROWS = 15
_LONG_VALUE, _CONTEXT = 50, 20  # characters
_EXAM = ("added", "removed", "relabelled", "edited")
Draw = Callable[[str, Points, Points, str], str]
Picture = Callable[[Sequence[Reason]], str]


def render(
    facts: Facts,
    draw: Draw,
    run: str = "",
    top: Sequence[str] = (),
    more: Sequence[Section] = (),
    limit: int = LIMIT,
    picture: Picture | None = None,
) -> str:
    """Render the report.

    Parameters
    ----------
    facts : Facts
    draw : callable
        Renders a curve as Markdown from its name, the points of both models and the baseline's
        name.
    run : str, default=""
        URL of the workflow run.
    top : sequence of str
        Paragraphs of Markdown that replace the headline and the warnings about limits and judging
        code.
    more : sequence of Section
        Inserted after the head.
    limit : int, default=60,000
        Maximum number of characters. The lightest sections are cut or left out until the report
        fits; it says what was left out.
    picture : callable, optional
        Renders what the model goes by as Markdown, above its table.

    Returns
    -------
    str
        GitHub's Markdown with all untrusted text escaped.
    """
    head = Section("", _head(facts, bool(run), top), 100)
    return joined([head, *more, *_sections(facts, draw, run, picture)], limit)


def headline(facts: Facts) -> str:
    """Return the verdict and its reason as one line of Markdown."""
    verdict, reason = facts.verdict, prose(facts.verdict.reason)
    if verdict.outcome == "unchanged" and verdict.passed:
        return f"✅ {reason[:1].upper()}{reason[1:]}"
    is_release = {entry.kind for entry in facts.baselines} == {"production"}
    verb = "release" if is_release else "merge"
    if verdict.undecided:
        what = "a person has to decide" if verdict.passed else f"so do not {verb} yet"
        return f"🟡 Cannot tell, {what}: {reason}"
    if verdict.passed and verdict.moved:
        return f"⚠️ Changes its own limits: {reason}"
    return f"✅ {verb.title()}: {reason}" if verdict.passed else f"❌ Do not {verb}: {reason}"


def _head(facts: Facts, has_run: bool, top: Sequence[str]) -> str:
    lines = list(top) or [f"## {headline(facts)}"]
    if facts.verdict.outcome == "unchanged":
        lines.append("Nothing was trained.")
    if facts.verdict.outcome == "stopped":
        where = "the log of the run" if has_run else "the output of the command"
        lines.append(f"Nothing could be judged. For details see {where}.")
    if facts.sample is not None:
        lines.append(
            f"Trained on a sample of {facts.sample.rows:,} of {facts.sample.of:,} training rows"
            f" ({code('train.max_rows')})."
        )
    exam = facts.comparison and facts.comparison.exam
    if counts := [f"{n:,} {what}" for what in _EXAM if exam and (n := getattr(exam, what))]:
        lines.append(f"⚠️ **This change alters held-out customers:** {', '.join(counts)}.")
    if not top:
        limits = [change.key for change in facts.changes.parameters if change.limit]
        lines += warning("This change moves its own limits", limits)
        lines += warning("This change touches code that judges it", facts.changes.judge)
    return "\n\n".join(lines)


def warning(what: str, names: Sequence[str]) -> list[str]:
    """Return a paragraph that names files or parameters; an empty list without names."""
    return [f"⚠️ **{what}:** {listed(names, _MOST_WARNED)}."] if names else []


def _sections(facts: Facts, draw: Draw, run: str, picture: Picture | None) -> Iterator[Section]:
    """Yield the sections, the most important first."""
    if facts.metrics:
        if not facts.compared:
            yield Section("Metrics", _metrics_alone(facts.metrics), 95)
        for place, entry in enumerate(facts.compared):
            title = f"Metrics against {against.name_of(entry, facts.compared)}"
            text = against.metrics(entry, facts.metrics.threshold, facts.changes.decided)
            parts = [text, against.chosen(facts.tuned, entry)] if place == 0 else [text]
            yield Section(title, "\n\n".join(filter(None, parts)), 95 - place)
    yield Section(_gates_title(facts.verdict), gate_table(facts.verdict.gates), 90)
    yield Section("Parameters", _parameters(facts), 70)
    # Once per baseline, however often it was compared.
    data = [entry.data for entry in facts.baselines if not isinstance(entry, Absent)]
    yield Section("Data", "\n\n".join(dict.fromkeys(map(against.drift, filter(None, data)))), 80)
    yield Section("Files that changed", _files(facts.changes.files), 40, folded=True)
    if facts.checks:
        failed = [check for check in facts.checks.checks if check.status != "passed"]
        passed = [check for check in facts.checks.checks if check.status == "passed"]
        yield Section("Checks that did not pass", _checks(failed), 85)
        yield Section(f"{len(passed)} checks passed", _checks(passed), 10, folded=True)
    protected = facts.comparison.fairness if facts.comparison else []
    found = any(gap.significant for one in protected for gap in one.gaps)
    yield Section("Protected slices", fairness.section(protected), 74, folded=not found)
    worse = against.slices(facts.compared)
    yield Section("Slices that got worse", worse, 75, folded=worse.count("\n") > _OPEN_ROWS)
    by = ""
    if facts.reasons is not None:
        shown = [picture(facts.reasons)] if picture and facts.reasons else []
        by = "\n\n".join([*shown, reason_table(facts.reasons)])
    yield Section("What the model goes by", by, 30, folded=True)
    for entry in facts.compared[:1]:
        yield Section("Curves of both models", _curves(entry, draw), 20, folded=True, whole=True)
    yield Section("What this is", _identity(facts, run), 92, folded=True)


def _metrics_alone(metrics: Metrics) -> str:
    shown = [name for name in TITLES if name in metrics.test]
    rows = [[TITLES[name], number(metrics.test[name])] for name in shown]
    return table(["", "held-out customers"], rows, numbers=(1,))


def _gates_title(verdict: Verdict) -> str:
    """Say how many gates failed, as in "2 of 9 gates failed, 1 undecided"."""
    if verdict.outcome == "stopped":
        return "What stopped it"
    signs = [_sign(gate) for gate in verdict.gates]
    kinds = (("❌", "failed"), ("🟡", "undecided"))
    counts = [f"{signs.count(sign)} {what}" for sign, what in kinds if sign in signs]
    title = ", ".join(counts).replace(" ", f" of {len(signs)} gates ", 1)
    return title or f"All {len(signs)} gates passed"


def gate_table(gates: Sequence[Gate]) -> str:
    """Render the gates, failed gates first, with their reasons below the table."""
    ordered = sorted(gates, key=lambda gate: "❌🟡✅".index(_sign(gate)))
    rows = [
        [_sign(gate), *(prose(text, 150) for text in (gate.name, gate.value, gate.limit))]
        for gate in ordered
    ]
    reasons = [f"- {prose(gate.reason)}" for gate in ordered if _sign(gate) != "✅"]
    reasons = reasons if len(reasons) > 1 else []  # a single reason is in the headline already
    shown = first_rows(["", "gate", "value", "limit"], rows)
    return "\n".join([shown, "", *reasons[:MOST_ROWS]]) if rows else ""


def _sign(gate: Gate) -> str:
    if gate.undecided:
        return "🟡"
    return "✅" if gate.passed else "❌"


def _parameters(facts: Facts) -> str:
    rows = [
        [code(change.key, 120), *map(code, _shortened(change.before, change.after))]
        for change in facts.changes.parameters
    ]
    return first_rows(["parameter", "before", "after"], rows)


def _shortened(before: str, after: str) -> tuple[str, str]:
    """Leave out a long common prefix of two values, so that their difference is shown."""
    common = sum(takewhile(bool, (a == b for a, b in zip(before, after, strict=False))))
    if common < _LONG_VALUE:
        return before, after
    return f"… {before[common - _CONTEXT :]}", f"… {after[common - _CONTEXT :]}"


def _files(files: Sequence[str]) -> str:
    shown = [f"- {code(name, 150)}" for name in files[:MOST_ROWS]]
    more = [f"- and {len(files) - MOST_ROWS} more"] if len(files) > MOST_ROWS else []
    return "\n".join([*shown, *more])


def _checks(checks: Sequence[Check]) -> str:
    rows = []
    for check in checks:
        outcomes = sorted(check.outcomes, key=lambda outcome: outcome.passed)
        found = check.error or (outcomes[0].details if outcomes else "it has no condition")
        rows.append([code(check.check), check.status, prose(found, 300)])
    return first_rows(["check", "", "found"], rows)


def reason_table(reasons: Sequence[Reason]) -> str:
    """Render the mean size of the SHAP values by column."""
    if not reasons:
        return (
            "There are none for this model: it has a part for which they are not known, or they do"
            " not sum to what it predicts. `churn evaluate` says which."
        )
    rows = [
        [code(one.column), number(one.effect), DIRECTIONS.get(one.direction, prose(one.direction))]
        for one in reasons
    ]
    header = ["column", f"mean effect ({prose(reasons[0].unit)})", ""]
    customers = reasons[0].customers
    counted = "" if customers is None else f"{customers:,} "
    note = (
        f"Mean absolute SHAP values on {counted}held-out customers. They say what the model goes"
        " by, and not what causes the outcome."
    )
    return f"{first_rows(header, rows, numbers=(1,), most=MOST_COLUMNS)}\n\n{note}"


def _curves(entry: Compared, draw: Draw) -> str:
    both = [(curve, entry.curves[curve]) for curve in COMPARED if curve in entry.curves]
    charts = [draw(curve, points.baseline, points.candidate, entry.name) for curve, points in both]
    return "\n\n".join(filter(None, charts))


def _identity(facts: Facts, run: str) -> str:
    aside = " and changes that are not committed" if facts.uncommitted else ""
    rows = [["commit", f"{code(facts.commit)}{aside}"]]
    rows += [["fingerprint of the inputs", code(facts.fingerprint)]]
    if facts.model_digest is not None:
        rows.append(["digest of the model", code(facts.model_digest)])
    for entry in {entry.name: entry for entry in facts.baselines}.values():
        if isinstance(entry, Found) and entry.identity is not None:
            name = code(entry.name)
            rows.append([f"model of {name}", code(entry.model_digest)])
            rows.append([f"where {name} is", code(entry.identity)])
    rows += [["run and files", run]] if run else []
    steps = ", ".join(code(command, 120) for command in _commands(facts, bool(run)))
    return f"{table(['', ''], rows)}\n\nTo reproduce it: {steps}"


def _commands(facts: Facts, has_run: bool) -> list[str]:
    """Return the commands that reproduce the review."""
    main = next((entry for entry in facts.baselines if entry.kind != "production"), None)
    revision = main.name if main else "main"
    commands = []
    if has_run:  # on a runner the commit is a merge that only GitHub has
        commands = [
            f"git fetch origin {shlex.quote(facts.commit)}",
            "git switch --detach FETCH_HEAD",
        ]
        if isinstance(main, Found) and main.identity is not None:
            revision = main.identity
    return [*commands, f"churn review --baseline {shlex.quote(revision)}"]
