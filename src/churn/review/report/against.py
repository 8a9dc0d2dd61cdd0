"""What the report says of a comparison: metrics, slices, and drift of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import NormalDist

from churn.evaluation.differences import Difference
from churn.evaluation.metric_names import TITLES
from churn.provenance.search_result import SearchResult
from churn.review.comparison import Compared, DataChange, Everyone
from churn.review.report.tables import change, first_rows, listed
from churn.review.report.text import code, interval, number, prose

_MARKS = {"better": "**better**", "worse": "**worse**", None: "unknown"}
_MOST_NAMES = 10
_NORMAL = NormalDist()
_MOST_LOOKS = 1_000_000
_BY_CHANCE = 0.025  # of 95% intervals, on one side


def name_of(entry: Compared, entries: Sequence[Compared]) -> str:
    """Return a baseline's name, with exam and limits if it was compared more than once."""
    more = ""
    if [other.name for other in entries].count(entry.name) > 1:
        for whose, how in (
            (entry.exam, ", on {}'s held-out customers"),
            (entry.limits, ", by {}'s limits"),
        ):
            more += how.format("main" if whose == "main" else "this change") if whose else ""
    return code(entry.name) + more


def metrics(entry: Compared, threshold: float | None, decided: int | None) -> str:
    """Render the table of metrics: on all customers, with held-out customers beside it.

    The threshold is the candidate's; `decided` is how often the held-out customers have decided
    before.
    """
    everyone = entry.everyone
    on_held_out = {metric.metric: metric for metric in entry.metrics} if everyone else {}
    rows = []
    for metric in entry.most.metrics:
        held_out = on_held_out.get(metric.metric)
        values = [number(metric.baseline), number(metric.candidate), *change(metric)]
        beside = change(held_out) if held_out else []
        rows.append([_title(metric.metric), *values, _word(metric), *beside])
    header = ["", code(entry.name), "this change", "difference", "95% interval", ""]
    header += ["held-out alone", "95% interval"] if everyone else []
    thresholds = ""
    if threshold is not None:
        thresholds = (
            f" Churn is predicted at a probability of {number(threshold)} and above, by"
            f" {code(entry.name)} at {number(entry.threshold)}."
        )
    parts = [
        first_rows(header, rows, numbers=(1, 2, 3, 4, 6, 7)),
        f"{_exam(entry, everyone)}{thresholds}",
        _same_threshold(entry),
        _best_of(entry, decided),
    ]
    return "\n\n".join([parts[0], *filter(None, parts[1:])])


def _exam(entry: Compared, everyone: Everyone | None) -> str:
    """Describe the compared customers and the intervals."""
    if not everyone:
        why = f": {prose(entry.alone)}" if entry.alone else ""
        return (
            f"On {entry.rows:,} held-out customers that neither model was trained on; paired"
            f" bootstrap over customers. Training rows are not compared{why}."
        )
    chosen = "Each model's threshold was chosen on the folds, and parameters may have been"
    if entry.threshold is None:
        chosen = "Parameters may have been"
    return (
        f"On {everyone.rows:,} customers, each predicted by a fit that has not seen that"
        f" customer: {everyone.held_out:,} are held out, the others are predicted out of fold."
        " The intervals cover the sampling of customers (paired bootstrap), not the sampling of"
        " training tables; better and worse are corrected for comparing"
        f" {len(everyone.metrics)} metrics on both groups (Holm). {chosen} tuned on them; held-out"
        " customers alone are the last exam."
    )


def _same_threshold(entry: Compared) -> str:
    """Render the differences at the baseline's threshold, which are the model's own."""
    if not entry.same_threshold:
        return ""
    rows = [
        [_title(metric.metric), *change(metric), _word(metric)] for metric in entry.same_threshold
    ]
    header = ["", "difference", "95% interval", ""]
    if entry.threshold is None:
        return (
            f"The same with the costs of {code(entry.name)}, which shows the effect of the model"
            f" without that of the costs:\n\n{first_rows(header, rows, numbers=(1, 2))}"
        )
    return (
        f"The same with this change at {code(entry.name)}'s threshold of"
        f" {number(entry.threshold)}, which shows the effect of the model without that of"
        " the threshold:\n\n"
        f"{first_rows(header, rows, numbers=(1, 2))}"
    )


def _best_of(entry: Compared, decided: int | None) -> str:
    """Say how often the held-out customers have been used, and the selection bias of that.

    The best of n equally good candidates leads by the expected maximum of n standard normal values
    times the standard error of one model's metric, which is that of a difference divided by the
    square root of 2.
    Source of the approximation: Blom, G. (1958), Statistical Estimates and Transformed
    Beta-Variables.
    """
    if not decided or not 0 < decided < _MOST_LOOKS or entry.exam == "own" or not entry.metrics:
        return ""
    first = entry.metrics[0]
    if first.lower is None or first.upper is None:
        return ""
    n = decided + 1
    error = (first.upper - first.lower) / 2 / _NORMAL.inv_cdf(0.975) / 2**0.5
    best = _NORMAL.inv_cdf((n - 0.375) / (n + 0.25)) * error
    if best <= 0:
        return ""
    times = "once" if decided == 1 else f"{decided:,} times"
    return (
        f"These held-out customers have decided {times} before, according to git. On them, the best"
        f" of {n:,} equally good candidates would look better by about {best:.4f} in"
        f" {_title(first.metric)}."
    )


def chosen(search: SearchResult | None, entry: Compared) -> str:
    """Say of how many candidates these hyperparameters are the best, and what that does."""
    if search is None:
        return ""
    title = _title(search.metric)
    earlier = f", after {search.earlier:,} in earlier searches" if search.earlier else ""
    so = (
        " So the differences above are too good, as they include the rows that chose; held-out"
        " customers alone had no part."
    )
    return (
        f"**{search.candidates:,} candidates were tried** for these hyperparameters{earlier}, as"
        f" {code('reports/tune.json')} says. On the training rows that chose them, {title} differs"
        f" by {number(search.optimistic, sign=True)} from what the search began with; on"
        f" {search.rows:,} training rows without a part in the choice, by"
        f" {number(search.difference, sign=True)} (95% interval"
        f" {interval(search.lower, search.upper)}): {prose(search.word)}."
        f"{so if entry.everyone else ''}"
    )


def _word(difference: Difference) -> str:
    return _MARKS.get(difference.word) or prose(str(difference.word))


def _title(metric: str) -> str:
    return TITLES.get(metric) or code(metric)


def slices(entries: Sequence[Compared]) -> str:
    """Render the slices that got worse."""
    rows = [
        [
            *(code(part.column), code(part.slice), f"{part.rows:,}"),
            *(_title(metric.metric), *change(metric), name_of(entry, entries)),
        ]
        for entry in entries
        for part in entry.most.slices
        for metric in part.metrics
        if metric.word == "worse"
    ]
    if not rows:
        return ""
    header = ["column", "slice", "customers", "metric", "difference", "95% interval", "against"]
    parts = chain.from_iterable(entry.most.slices for entry in entries)
    n_compared = sum(len(part.metrics) for part in parts)
    note = (
        f"Of {n_compared:,} differences in slices these are significant (Holm's correction for"
        f" multiple comparisons). For equal models about {n_compared * _BY_CHANCE:.0f} intervals"
        " would be on the worse side by chance. The gate decides how much worse is too much."
    )
    return f"{first_rows(header, rows, numbers=(2, 4, 5))}\n\n{note}"


def drift(data: DataChange) -> str:
    """Say how the training rows differ."""
    lines = ["Training rows: {:,} before, {:,} now.".format(*data.rows)]
    if data.label_rate:
        lines[0] += " Churned: {:.1%} before, {:.1%} now.".format(*data.label_rate)
    if data.target:
        more = len(data.target) - _MOST_NAMES
        told = [
            f"{code(name)} {prose(was)} before, {prose(now)} now"
            for name, was, now in data.target[:_MOST_NAMES]
        ]
        lines.append(f"Target: {'; '.join(told)}{f'; and {more:,} more' if more > 0 else ''}.")
    for names, what in ((data.gone, "no longer there"), (data.new, "new")):
        if names:
            lines.append(f"Columns that are {what}: {listed(names, _MOST_NAMES)}.")
    rows = [
        [
            code(column.column),
            prose(column.word),
            f"{column.psi:.2f}",
            *("" if mean is None else f"{mean:g}" for mean in (column.before, column.after)),
        ]
        for column in data.columns
        if column.word != "none"
    ]
    header = ["column", "drift", "index", "mean before", "mean now"]
    if not data.columns:
        lines.append("No column is in both tables, so no drift was measured.")
    elif not rows:
        lines.append("No column has drifted (population stability index below 0.1).")
    else:
        lines.append(first_rows(header, rows, numbers=(2, 3, 4)))
        lines.append("Population stability index: moderate from 0.1, large from 0.25.")
    return "\n\n".join(lines)
