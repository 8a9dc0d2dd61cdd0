"""Render the report as Markdown, the most important first."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from statistics import NormalDist

from churn.evaluation.curve_names import COMPARED
from churn.evaluation.metric_names import TITLES
from churn.review.report.facts import (
    Check,
    Compared,
    Data,
    Difference,
    Everyone,
    Facts,
    Gate,
    Looks,
    Metrics,
    Points,
    baselines,
    compared,
)
from churn.review.report.text import code, interval, number, prose

# GitHub refuses a comment of more than 65,536 characters.
LIMIT = 60_000
_MARKS = {"better": "**better**", "worse": "**worse**", None: "unknown"}
_MOST_ROWS = 1000
_LEAST_LINES = 6
_MOST_NAMES, _MOST_WARNED = 10, 5
_OPEN_ROWS = 15
_NORMAL = NormalDist()
_MOST_LOOKS = 1_000_000
_BY_CHANCE = 0.025  # of 95% intervals, on one side
_LONG_VALUE, _CONTEXT = 50, 20  # characters
_EXAM = ("added", "removed", "relabelled", "edited")
Draw = Callable[[str, Points, Points, str], str]


@dataclass(frozen=True)
class Section:
    """A part of the report, as Markdown."""

    title: str  # empty for the head, which is never cut; trusted, because it may be put into HTML
    body: str
    weight: int  # the lightest section is cut first if the report is too long
    folded: bool = False
    whole: bool = False  # whether to leave it out rather than cut it


def render(
    facts: Facts,
    draw: Draw,
    run: str = "",
    top: Sequence[str] = (),
    more: Sequence[Section] = (),
    limit: int = LIMIT,
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

    Returns
    -------
    str
        GitHub's Markdown with all untrusted text escaped.
    """
    head = Section("", _head(facts, bool(run), top), 100)
    sections = [head, *more, *_sections(facts, draw, run)]
    sections = [section for section in sections if section.body]
    left_out: list[str] = []
    while (excess := len(text := _joined(sections, left_out)) - limit) > 0 and sections[1:]:
        lightest = min(sections[1:], key=lambda section: section.weight)
        place = sections.index(lightest)
        if shorter := _cut_to(lightest, len(lightest.body) - excess):
            sections[place] = shorter
        else:
            del sections[place]
            left_out.append(lightest.title)
    return text


def _cut_to(section: Section, length: int) -> Section | None:
    """Keep the first lines of a section that fit; None if too few do."""
    lines = section.body.splitlines()
    note = "\n\n{} more lines are in `report.html`."
    kept, size = 0, len(note) + 10
    while kept < len(lines) and size + len(lines[kept]) + 1 <= length:
        size += len(lines[kept]) + 1
        kept += 1
    if section.whole or kept < _LEAST_LINES:
        return None
    body = "\n".join(lines[:kept]) + note.format(f"{len(lines) - kept:,}")
    return replace(section, body=body)


def _joined(sections: Sequence[Section], left_out: Sequence[str]) -> str:
    parts = [_shown(section) for section in sections]
    if left_out:
        what = ", ".join(title.lower() for title in left_out)
        parts.append(
            f"Left out, because the length of a comment is limited: {what}. See `report.html`."
        )
    return "\n\n".join(parts) + "\n"


def _shown(section: Section) -> str:
    if not section.title:
        return section.body
    if section.folded:
        head = f"<details><summary>{section.title}</summary>"
        return f"{head}\n\n{section.body}\n\n</details>"
    return f"### {section.title}\n\n{section.body}"


def headline(facts: Facts) -> str:
    """Return the verdict and its reason as one line of Markdown."""
    verdict, reason = facts["verdict"], prose(facts["verdict"]["reason"])
    if verdict["outcome"] == "unchanged" and verdict["passed"]:
        return f"✅ {reason[:1].upper()}{reason[1:]}"
    if verdict["passed"] and verdict.get("moved"):
        return f"⚠️ Changes its own limits: {reason}"
    is_release = {entry.get("kind") for entry in baselines(facts)} == {"production"}
    verb = "release" if is_release else "merge"
    if verdict.get("undecided"):
        what = "a person has to decide" if verdict["passed"] else f"so do not {verb} yet"
        return f"🟡 Cannot tell, {what}: {reason}"
    return f"✅ {verb.title()}: {reason}" if verdict["passed"] else f"❌ Do not {verb}: {reason}"


def _head(facts: Facts, has_run: bool, top: Sequence[str]) -> str:
    lines = list(top) or [f"## {headline(facts)}"]
    if facts["verdict"]["outcome"] == "unchanged":
        lines.append("Nothing was trained.")
    if facts["verdict"]["outcome"] == "stopped":
        where = "the log of the run" if has_run else "the output of the command"
        lines.append(f"Nothing could be judged. For details see {where}.")
    exam = (facts["comparison"] and facts["comparison"].get("exam")) or {}
    if counts := [f"{exam[what]:,} {what}" for what in _EXAM if exam.get(what)]:
        lines.append(f"⚠️ **This change alters held-out customers:** {', '.join(counts)}.")
    if not top:
        changes = facts["changes"]
        limits = [change["key"] for change in changes.get("parameters", []) if change["limit"]]
        lines += warning("This change moves its own limits", limits)
        lines += warning("This change touches code that judges it", changes.get("judge", []))
    return "\n\n".join(lines)


def warning(what: str, names: Sequence[str]) -> list[str]:
    """Return a paragraph that names files or parameters; an empty list without names."""
    return [f"⚠️ **{what}:** {_listed(names, _MOST_WARNED)}."] if names else []


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(map(code, names[:most]))}{more}"


def _sections(facts: Facts, draw: Draw, run: str) -> Iterator[Section]:
    """Yield the sections, the most important first."""
    if facts["metrics"]:
        if not compared(facts):
            yield Section("Metrics", _metrics_alone(facts["metrics"]), 95)
        for place, entry in enumerate(compared(facts)):
            title = f"Metrics against {_named(entry, facts)}"
            decided = facts["changes"].get("decided")
            yield Section(title, _metrics(entry, facts["metrics"], decided), 95 - place)
    gates = facts["verdict"]["gates"]
    signs = [_sign(gate) for gate in gates]
    kinds = (("❌", "failed"), ("🟡", "undecided"))
    counts = [f"{signs.count(sign)} {what}" for sign, what in kinds if sign in signs]
    # "2 of 9 gates failed, 1 undecided"
    title = ", ".join(counts).replace(" ", f" of {len(gates)} gates ", 1)
    title = title or f"All {len(gates)} gates passed"
    title = "What stopped it" if facts["verdict"]["outcome"] == "stopped" else title
    yield Section(title, _gates(gates), 90)
    yield Section("Parameters", _parameters(facts), 70)
    yield Section("Data", _data(facts), 80)
    yield Section("Files that changed", _files(facts), 40, folded=True)
    if facts["checks"]:
        failed = [check for check in facts["checks"]["checks"] if check["status"] != "passed"]
        passed = [check for check in facts["checks"]["checks"] if check["status"] == "passed"]
        yield Section("Checks that did not pass", _checks(failed), 85)
        yield Section(f"{len(passed)} checks passed", _checks(passed), 10, folded=True)
    worse = _slices(facts)
    yield Section("Slices that got worse", worse, 75, folded=worse.count("\n") > _OPEN_ROWS)
    for entry in compared(facts)[:1]:
        yield Section("Curves of both models", _curves(entry, draw), 20, folded=True, whole=True)
    yield Section("What this is", _identity(facts, run), 92, folded=True)


def _named(entry: Compared, facts: Facts) -> str:
    """Return a baseline's name, with exam and limits if it was compared more than once."""
    names = [comparison["name"] for comparison in compared(facts)]
    how = [
        (entry.get("exam"), "on", "held-out customers"),
        (entry.get("limits"), "by", "limits"),
    ]
    more = [
        f", {preposition} {'main' if whose == 'main' else 'this change'}'s {what}"
        for whose, preposition, what in how
        if whose and names.count(entry["name"]) > 1
    ]
    return code(entry["name"]) + "".join(more)


def _most(entry: Compared) -> Looks:
    """Return the comparison on the most customers: `everyone`, or held-out customers only."""
    return entry.get("everyone") or entry


def _metrics(entry: Compared, metrics: Metrics, decided: int | None) -> str:
    """Render the table of metrics: on all customers, with held-out customers beside it."""
    everyone, most = entry.get("everyone"), _most(entry)
    on_held_out = {metric["metric"]: metric for metric in entry["metrics"]} if everyone else {}
    rows = []
    for metric in most["metrics"]:
        values = [number(metric["baseline"]), number(metric["candidate"])]
        change = [number(metric["difference"], sign=True), _interval(metric)]
        held_out = on_held_out.get(metric["metric"])
        beside = (
            [number(held_out["difference"], sign=True), _interval(held_out)] if held_out else []
        )
        rows.append([_title(metric["metric"]), *values, *change, _word(metric), *beside])
    header = ["", code(entry["name"]), "this change", "difference", "95% interval", ""]
    header += ["held-out alone", "95% interval"] if everyone else []
    threshold = (
        f"Churn is predicted at a probability of {number(metrics['threshold'])} and above, by"
        f" {code(entry['name'])} at {number(entry['threshold'])}."
    )
    table_ = _first_rows(header, rows, numbers=(1, 2, 3, 4, 6, 7))
    notes = [
        f"{_exam(entry, everyone)} {threshold}",
        _same_threshold(entry),
        _best_of(entry, decided),
    ]
    return "\n\n".join([table_, *filter(None, notes)])


def _exam(entry: Compared, everyone: Everyone | None) -> str:
    """Describe the compared customers and the intervals."""
    if not everyone:
        why = f": {prose(reason)}" if (reason := entry.get("alone")) else ""
        return (
            f"On {entry['rows']:,} held-out customers that neither model was trained on; paired"
            f" bootstrap over customers. Training rows are not compared{why}."
        )
    return (
        f"On {everyone['rows']:,} customers, each predicted by a fit that has not seen that"
        f" customer: {everyone['held_out']:,} are held out, the others are predicted out of fold."
        " The intervals cover the sampling of customers (paired bootstrap), not the sampling of"
        " training tables; better and worse are corrected for comparing"
        f" {len(everyone['metrics'])} metrics on both groups (Holm). Each model's threshold was"
        " chosen on the folds, and parameters may have been tuned on them; held-out customers"
        " alone are the last exam."
    )


def _same_threshold(entry: Compared) -> str:
    """Render the differences at the baseline's threshold, which are the model's own."""
    same = entry.get("same_threshold")
    if not same:
        return ""
    rows = [
        [
            _title(metric["metric"]),
            number(metric["difference"], sign=True),
            _interval(metric),
            _word(metric),
        ]
        for metric in same
    ]
    header = ["", "difference", "95% interval", ""]
    return (
        f"The same with this change at {code(entry['name'])}'s threshold of"
        f" {number(entry['threshold'])}, which shows the effect of the model without that of"
        " the threshold:\n\n"
        f"{_first_rows(header, rows, numbers=(1, 2))}"
    )


def _best_of(entry: Compared, decided: int | None) -> str:
    """Say how often the held-out customers have been used, and the selection bias of that.

    The best of n equally good candidates leads by the expected maximum of n standard normal values
    times the standard error of one model's metric, which is that of a difference divided by the
    square root of 2.
    Source of the approximation: Blom, G. (1958), Statistical Estimates and Transformed
    Beta-Variables.
    """
    if not decided or not 0 < decided < _MOST_LOOKS or entry.get("exam") == "own":
        return ""
    first = entry["metrics"][0] if entry["metrics"] else None
    if first is None or first["lower"] is None or first["upper"] is None:
        return ""
    n = decided + 1
    error = (first["upper"] - first["lower"]) / 2 / _NORMAL.inv_cdf(0.975) / 2**0.5
    best = _NORMAL.inv_cdf((n - 0.375) / (n + 0.25)) * error
    if best <= 0:
        return ""
    times = "once" if decided == 1 else f"{decided:,} times"
    return (
        f"These held-out customers have decided {times} before, according to git. On them, the best"
        f" of {n:,} equally good candidates would look better by about {best:.4f} in"
        f" {_title(first['metric'])}."
    )


def _interval(difference: Difference) -> str:
    return interval(difference["lower"], difference["upper"])


def _word(difference: Difference) -> str:
    return _MARKS.get(difference["word"]) or prose(str(difference["word"]))


def _title(metric: str) -> str:
    return TITLES.get(metric) or code(metric)


def _metrics_alone(metrics: Metrics) -> str:
    rows = [[title, number(metrics["test"].get(name))] for name, title in TITLES.items()]
    return table(["", "held-out customers"], rows, numbers=(1,))


def _gates(gates: Sequence[Gate]) -> str:
    """Render the gates, failed gates first, with their reasons below the table."""
    ordered = sorted(gates, key=lambda gate: "❌🟡✅".index(_sign(gate)))
    rows = [
        [_sign(gate)] + [prose(gate[key], 150) for key in ("name", "value", "limit")]
        for gate in ordered
    ]
    reasons = [f"- {prose(gate['reason'])}" for gate in ordered if _sign(gate) != "✅"]
    reasons = reasons if len(reasons) > 1 else []  # a single reason is in the headline already
    shown = _first_rows(["", "gate", "value", "limit"], rows)
    return "\n".join([shown, "", *reasons[:_MOST_ROWS]]) if rows else ""


def _sign(gate: Gate) -> str:
    if gate.get("undecided"):
        return "🟡"
    return "✅" if gate["passed"] else "❌"


def _parameters(facts: Facts) -> str:
    rows = [
        [code(change["key"], 120), *map(code, _shortened(change["before"], change["after"]))]
        for change in facts["changes"].get("parameters", [])
    ]
    return _first_rows(["parameter", "before", "after"], rows)


def _shortened(before: str, after: str) -> tuple[str, str]:
    """Leave out a long common prefix of two values, so that their difference is shown."""
    common = sum(takewhile(bool, (a == b for a, b in zip(before, after, strict=False))))
    if common < _LONG_VALUE:
        return before, after
    return f"… {before[common - _CONTEXT :]}", f"… {after[common - _CONTEXT :]}"


def _data(facts: Facts) -> str:
    # Once per baseline, however often it was compared.
    shown = [_drift(entry["data"]) for entry in baselines(facts) if "data" in entry]
    return "\n\n".join(dict.fromkeys(shown))


def _drift(data: Data) -> str:
    lines = ["Training rows: {:,} before, {:,} now.".format(*data["rows"])]
    if "label_rate" in data:
        lines[0] += " Churned: {:.1%} before, {:.1%} now.".format(*data["label_rate"])
    for names, what in ((data.get("gone"), "no longer there"), (data.get("new"), "new")):
        if names:
            lines.append(f"Columns that are {what}: {_listed(names, _MOST_NAMES)}.")
    drifted = [column for column in data["columns"] if column["word"] != "none"]
    if not data["columns"]:
        lines.append("No column is in both tables, so no drift was measured.")
        return "\n\n".join(lines)
    if not drifted:
        lines.append("No column has drifted (population stability index below 0.1).")
        return "\n\n".join(lines)
    rows = [
        [
            code(column["column"]),
            prose(column["word"]),
            f"{column['psi']:.2f}",
            *("" if column[side] is None else f"{column[side]:g}" for side in ("before", "after")),
        ]
        for column in drifted
    ]
    header = ["column", "drift", "index", "mean before", "mean now"]
    lines.append(_first_rows(header, rows, numbers=(2, 3, 4)))
    lines.append("Population stability index: moderate from 0.1, large from 0.25.")
    return "\n\n".join(lines)


def _files(facts: Facts) -> str:
    files = facts["changes"].get("files", [])
    shown = [f"- {code(name, 150)}" for name in files[:_MOST_ROWS]]
    if len(files) > _MOST_ROWS:
        shown.append(f"- and {len(files) - _MOST_ROWS} more")
    return "\n".join(shown)


def _checks(checks: Sequence[Check]) -> str:
    rows = []
    for check in checks:
        outcomes = sorted(check.get("outcomes", []), key=lambda outcome: outcome["passed"])
        details = outcomes[0]["details"] if outcomes else "it has no condition"
        found = check.get("error") or details
        rows.append([code(check["check"]), check["status"], prose(found, 300)])
    return _first_rows(["check", "", "found"], rows)


def _slices(facts: Facts) -> str:
    rows = []
    for entry in compared(facts):
        against = _named(entry, facts)
        for part in _most(entry)["slices"]:
            for metric in part["metrics"]:
                if metric["word"] == "worse":
                    names = [code(part["column"]), code(part["slice"]), f"{part['rows']:,}"]
                    values = [number(metric["difference"], sign=True), _interval(metric)]
                    rows.append([*names, _title(metric["metric"]), *values, against])
    if not rows:
        return ""
    header = ["column", "slice", "customers", "metric", "difference", "95% interval", "against"]
    n_compared = sum(
        len(part["metrics"]) for entry in compared(facts) for part in _most(entry)["slices"]
    )
    note = (
        f"Of {n_compared:,} differences in slices these are significant (Holm's correction for"
        f" multiple comparisons). For equal models about {n_compared * _BY_CHANCE:.0f} intervals"
        " would be on the worse side by chance. The gate decides how much worse is too much."
    )
    return f"{_first_rows(header, rows, numbers=(2, 4, 5))}\n\n{note}"


def _curves(entry: Compared, draw: Draw) -> str:
    both = [(curve, entry["curves"][curve]) for curve in COMPARED if curve in entry["curves"]]
    charts = [
        draw(curve, points["baseline"], points["candidate"], entry["name"])
        for curve, points in both
    ]
    return "\n\n".join(filter(None, charts))


def _identity(facts: Facts, run: str) -> str:
    aside = " and changes that are not committed" if facts["uncommitted"] else ""
    rows = [["commit", f"{code(facts['commit'])}{aside}"]]
    rows += [["fingerprint of the inputs", code(facts["fingerprint"])]]
    if facts["model_digest"] is not None:
        rows.append(["digest of the model", code(facts["model_digest"])])
    named = {entry["name"]: entry for entry in baselines(facts) if "identity" in entry}
    for entry in named.values():
        name = code(entry["name"])
        rows.append([f"model of {name}", code(entry.get("model_digest", "unknown"))])
        rows.append([f"where {name} is", code(entry["identity"])])
    rows += [["run and files", run]] if run else []
    revisions = [entry for entry in baselines(facts) if entry.get("kind") != "production"]
    revision = revisions[0]["name"] if revisions else "main"
    commands = []
    if run:  # on a runner the commit is a merge that only GitHub has
        commands = [f"git fetch origin {shlex.quote(facts['commit'])}"]
        commands += ["git switch --detach FETCH_HEAD"]
        revision = revisions[0].get("identity", revision) if revisions else revision
    commands += [f"churn review --baseline {shlex.quote(revision)}"]
    steps = ", ".join(code(command, 120) for command in commands)
    return f"{table(['', ''], rows)}\n\nTo reproduce it: {steps}"


def _first_rows(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()
) -> str:
    """Render the first rows of a table that may be long, and the number of the others."""
    if not rows:
        return ""
    shown = table(header, rows[:_MOST_ROWS], numbers)
    return shown if len(rows) <= _MOST_ROWS else f"{shown}\n\nand {len(rows) - _MOST_ROWS} more"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Render a Markdown table; the columns at the indices `numbers` are right-aligned."""
    rule = ["---:" if i in set(numbers) else "---" for i in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
