"""The report as Markdown: what a reviewer reads first stands first."""

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

    title: str  # empty for the head, which stays; of a folded one in HTML, so nothing of a change
    body: str
    weight: int  # the lightest is cut first where the report is too long
    folded: bool = False
    whole: bool = False  # whether it makes no sense in part


def render(
    facts: Facts,
    draw: Draw,
    run: str = "",
    top: Sequence[str] = (),
    more: Sequence[Section] = (),
    limit: int = LIMIT,
) -> str:
    """Write the report.

    Parameters
    ----------
    facts : Facts
    draw : callable
        Turns a curve's name, the points of both models and the baseline's name into Markdown.
    run : str, default=""
        Address of the run that has made the facts.
    top : sequence of str
        Paragraphs of Markdown in place of the headline and of what the facts say about limits and
        judging code.
    more : sequence of Section
        Shown behind the head.
    limit : int, default=60,000
        Most characters. The least important section is cut after as many lines as fit, or left
        out, then the next one, until it is kept; the report says what it lacks.

    Returns
    -------
    str
        GitHub's Markdown, in which no text of the repository comes alive.
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
    """Keep the first lines of a section, if enough of them fit to be worth it."""
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
            f"Left out, because a comment has a largest length: {what}. See `report.html`."
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
    """Say the verdict and its reason, as Markdown in one line."""
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
        where = "The log of the run" if has_run else "What was printed"
        lines.append(f"Nothing could be judged. {where} says more.")
    exam = (facts["comparison"] and facts["comparison"].get("exam")) or {}
    if counts := [f"{exam[what]:,} {what}" for what in _EXAM if exam.get(what)]:
        lines.append(f"⚠️ **This change alters held-out customers:** {', '.join(counts)}.")
    if not top:
        changes = facts["changes"]
        limits = [one["key"] for one in changes.get("parameters", []) if one["limit"]]
        lines += warning("This change moves its own limits", limits)
        lines += warning("This change touches its own judge", changes.get("judge", []))
    return "\n\n".join(lines)


def warning(what: str, names: Sequence[str]) -> list[str]:
    """Write a paragraph that names some files or parameters; none where there are no names."""
    return [f"⚠️ **{what}:** {_listed(names, _MOST_WARNED)}."] if names else []


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(map(code, names[:most]))}{more}"


def _sections(facts: Facts, draw: Draw, run: str) -> Iterator[Section]:
    """Give the sections in the order in which a reviewer needs them."""
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
    told = [f"{signs.count(sign)} {what}" for sign, what in kinds if sign in signs]
    # "2 of 9 gates failed, 1 undecided"
    title = ", ".join(told).replace(" ", f" of {len(gates)} gates ", 1)
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
    """Call a baseline by its name, and where it was compared more than once say how."""
    names = [other["name"] for other in compared(facts)]
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
    """Return the comparison on most customers: on everyone, where that could be made."""
    return entry.get("everyone") or entry


def _metrics(entry: Compared, metrics: Metrics, decided: int | None) -> str:
    """Lay out what was compared: on every customer, with the last exam beside it."""
    everyone, most = entry.get("everyone"), _most(entry)
    last = {one["metric"]: one for one in entry["metrics"]} if everyone else {}
    rows = []
    for one in most["metrics"]:
        values = [number(one["baseline"]), number(one["candidate"])]
        change = [number(one["difference"], sign=True), _interval(one)]
        word = _MARKS.get(one["word"]) or prose(str(one["word"]))
        held_out = last.get(one["metric"])
        beside = (
            [number(held_out["difference"], sign=True), _interval(held_out)] if held_out else []
        )
        rows.append([_title(one["metric"]), *values, *change, word, *beside])
    header = ["", code(entry["name"]), "this change", "difference", "95% interval", ""]
    header += ["held-out alone", "95% interval"] if everyone else []
    cut = (
        f"Churn is predicted at a probability of {number(metrics['threshold'])} and above, by"
        f" {code(entry['name'])} at {number(entry['threshold'])}."
    )
    table_ = _cut(header, rows, numbers=(1, 2, 3, 4, 6, 7))
    notes = [f"{_exam(entry, everyone)} {cut}", _same_threshold(entry), _best_of(entry, decided)]
    return "\n\n".join([table_, *filter(None, notes)])


def _exam(entry: Compared, everyone: Everyone | None) -> str:
    """Say on whom was compared, and which chance is in the intervals."""
    if not everyone:
        why = f": {prose(reason)}" if (reason := entry.get("alone")) else ""
        return (
            f"On {entry['rows']:,} held-out customers that neither model was trained on; paired"
            f" bootstrap over customers. Training rows are not compared{why}."
        )
    return (
        f"On {everyone['rows']:,} customers, each predicted by a fit that has not seen that"
        f" customer: {everyone['held_out']:,} are held out, the others are predicted out of fold."
        " The intervals hold the chance of which customers there are (paired bootstrap), and not"
        " that of another training table; better and worse are corrected for looking at"
        f" {len(everyone['metrics'])} metrics on both groups together (Holm). The folds have"
        " chosen each model's threshold, and whoever tunes has looked at them; held-out"
        " customers alone are the last exam."
    )


def _same_threshold(entry: Compared) -> str:
    """Tell a threshold that has moved apart from a model that is another one."""
    same = entry.get("same_threshold")
    if not same:
        return ""
    rows = [
        [
            _title(one["metric"]),
            number(one["difference"], sign=True),
            _interval(one),
            _MARKS.get(one["word"]) or prose(str(one["word"])),
        ]
        for one in same
    ]
    header = ["", "difference", "95% interval", ""]
    return (
        f"The same with this change at {code(entry['name'])}'s threshold of"
        f" {number(entry['threshold'])}, which leaves what the model itself has changed:\n\n"
        f"{_cut(header, rows, numbers=(1, 2))}"
    )


def _best_of(entry: Compared, decided: int | None) -> str:
    """Say how often the held-out customers have decided, and what that many looks would find.

    The best of n equally good candidates is ahead by the expected maximum of n normal values, in
    standard errors of one model's metric; a difference of two has the square root of 2 of these.
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
        f"These held-out customers have decided {times} before, as far as git knows. The best of"
        f" {n:,} equally good candidates would look better by about {best:.4f} in"
        f" {_title(first['metric'])}, on them."
    )


def _interval(of: Difference) -> str:
    return interval(of["lower"], of["upper"])


def _title(metric: str) -> str:
    return TITLES.get(metric) or code(metric)


def _metrics_alone(metrics: Metrics) -> str:
    rows = [[title, number(metrics["test"].get(name))] for name, title in TITLES.items()]
    return table(["", "held-out customers"], rows, numbers=(1,))


def _gates(gates: Sequence[Gate]) -> str:
    """Lay out the gates, failed ones first; why one failed stands below the table."""
    ordered = sorted(gates, key=lambda gate: "❌🟡✅".index(_sign(gate)))
    rows = [
        [_sign(gate)] + [prose(gate[key], 150) for key in ("name", "value", "limit")]
        for gate in ordered
    ]
    reasons = [f"- {prose(gate['reason'])}" for gate in ordered if _sign(gate) != "✅"]
    reasons = reasons if len(reasons) > 1 else []  # the only one is the report's first line
    shown = _cut(["", "gate", "value", "limit"], rows)
    return "\n".join([shown, "", *reasons[:_MOST_ROWS]]) if rows else ""


def _sign(gate: Gate) -> str:
    if gate.get("undecided"):
        return "🟡"
    return "✅" if gate["passed"] else "❌"


def _parameters(facts: Facts) -> str:
    rows = [
        [code(one["key"], 120), *map(code, _from_where_they_part(one["before"], one["after"]))]
        for one in facts["changes"].get("parameters", [])
    ]
    return _cut(["parameter", "before", "after"], rows)


def _from_where_they_part(before: str, after: str) -> tuple[str, str]:
    """Leave out what two long values begin with alike, of which no more would be seen."""
    alike = sum(takewhile(bool, (a == b for a, b in zip(before, after, strict=False))))
    if alike < _LONG_VALUE:
        return before, after
    return f"… {before[alike - _CONTEXT :]}", f"… {after[alike - _CONTEXT :]}"


def _data(facts: Facts) -> str:
    # Once where a baseline was compared more than once.
    shown = [_drift(entry["data"]) for entry in baselines(facts) if "data" in entry]
    return "\n\n".join(dict.fromkeys(shown))


def _drift(data: Data) -> str:
    lines = ["Training rows: {:,} before, {:,} now.".format(*data["rows"])]
    if "label_rate" in data:
        lines[0] += " Churned: {:.1%} before, {:.1%} now.".format(*data["label_rate"])
    for names, what in ((data.get("gone"), "no longer there"), (data.get("new"), "new")):
        if names:
            lines.append(f"Columns that are {what}: {_listed(names, _MOST_NAMES)}.")
    drifted = [one for one in data["columns"] if one["word"] != "none"]
    if not data["columns"]:
        lines.append("No column is in both tables, so no drift was measured.")
        return "\n\n".join(lines)
    if not drifted:
        lines.append("No column has drifted (population stability index below 0.1).")
        return "\n\n".join(lines)
    rows = [
        [
            code(one["column"]),
            prose(one["word"]),
            f"{one['psi']:.2f}",
            *("" if one[side] is None else f"{one[side]:g}" for side in ("before", "after")),
        ]
        for one in drifted
    ]
    header = ["column", "drift", "index", "mean before", "mean now"]
    lines.append(_cut(header, rows, numbers=(2, 3, 4)))
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
    return _cut(["check", "", "found"], rows)


def _slices(facts: Facts) -> str:
    rows = []
    for entry in compared(facts):
        against = _named(entry, facts)
        for part in _most(entry)["slices"]:
            for one in part["metrics"]:
                if one["word"] == "worse":
                    names = [code(part["column"]), code(part["slice"]), f"{part['rows']:,}"]
                    values = [number(one["difference"], sign=True), _interval(one)]
                    rows.append([*names, _title(one["metric"]), *values, against])
    if not rows:
        return ""
    header = ["column", "slice", "customers", "metric", "difference", "95% interval", "against"]
    looks = sum(
        len(part["metrics"]) for entry in compared(facts) for part in _most(entry)["slices"]
    )
    note = (
        f"Of {looks:,} differences in slices these stand out (Holm's correction for looking at many"
        f" together). Of equal models about {looks * _BY_CHANCE:.0f} intervals would lie on the"
        " worse side by chance alone. How far is too far, the gate says."
    )
    return f"{_cut(header, rows, numbers=(2, 4, 5))}\n\n{note}"


def _curves(entry: Compared, draw: Draw) -> str:
    both = [(curve, entry["curves"][curve]) for curve in COMPARED if curve in entry["curves"]]
    charts = [draw(curve, of["baseline"], of["candidate"], entry["name"]) for curve, of in both]
    return "\n\n".join(filter(None, charts))


def _identity(facts: Facts, run: str) -> str:
    aside = " and changes that are not committed" if facts["uncommitted"] else ""
    rows = [["commit", f"{code(facts['commit'])}{aside}"]]
    rows += [["fingerprint of the inputs", code(facts["fingerprint"])]]
    if facts["model_digest"] is not None:
        rows.append(["digest of the model", code(facts["model_digest"])])
    for entry in {one["name"]: one for one in baselines(facts) if "identity" in one}.values():
        name = code(entry["name"])
        rows.append([f"model of {name}", code(entry.get("model_digest", "unknown"))])
        rows.append([f"where {name} is", code(entry["identity"])])
    rows += [["run and files", run]] if run else []
    revisions = [one for one in baselines(facts) if one.get("kind") != "production"]
    revision = revisions[0]["name"] if revisions else "main"
    again = []
    if run:  # on a runner, where the commit is one that merging would make
        again = [f"git fetch origin {shlex.quote(facts['commit'])}"]
        again += ["git switch --detach FETCH_HEAD"]
        revision = revisions[0].get("identity", revision) if revisions else revision
    again += [f"churn review --baseline {shlex.quote(revision)}"]
    steps = ", ".join(code(step, 120) for step in again)
    return f"{table(['', ''], rows)}\n\nThe same on your machine: {steps}"


def _cut(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Lay out a table of rows whose number a pull request decides: the first ones, and a count."""
    if not rows:
        return ""
    shown = table(header, rows[:_MOST_ROWS], numbers)
    return shown if len(rows) <= _MOST_ROWS else f"{shown}\n\nand {len(rows) - _MOST_ROWS} more"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Lay out a Markdown table; the columns at `numbers` are set to the right."""
    rule = ["---:" if i in set(numbers) else "---" for i in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
