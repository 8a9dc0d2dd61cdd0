"""Write a model card as Markdown; names that the repository decides are escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from churn.core.params import MulticlassDecision, Params, RegressionDecision
from churn.data.stats import NumericStats, TableStats
from churn.evaluation.metric_names import SHOWN, TITLES
from churn.evaluation.results import SliceMetrics
from churn.model.card import ModelCard
from churn.review.card.gather import Content
from churn.review.outcome import Verdict
from churn.review.report import fairness
from churn.review.report.markdown import gate_table, reason_table
from churn.review.report.tables import first_rows, listed, table
from churn.review.report.text import code, number, prose

_LONG = 2000  # characters of a text from params.yaml
_MOST_NAMES = 100
_MOST_CATEGORIES = 3
_RANGE = ("0", "0.5", "1")  # quantiles
_MOST_METRICS = 3  # of slices


def render(content: Content) -> str:
    """Render a model card.

    Returns
    -------
    str
        GitHub's Markdown.
    """
    settings, digest = content.settings, content.identity["model (SHA-256)"]
    parts = [
        f"# Model card: {code(settings.release.model)}, model {code(digest[:12])}",
        "Made from the results of the pipeline and of the review, and the section `card` of"
        " `params.yaml`.",
        *_purpose(settings),
        "## The model",
        _model(content),
        "## Data",
        _data(content),
        "## Metrics",
        _metrics(content),
        "## Slices",
        _slices(content.slices.test),
        "## Protected slices",
        fairness.section(content.fairness) or "No column is protected.",
        "## Reasons",
        "![Mean absolute SHAP value by column](plots/reasons.png)" if content.reasons else "",
        reason_table(content.reasons),
        "## Checks",
        _checks(content),
        "## Limits",
        _limits(content),
        "## How it was reviewed",
        _review(content.verdict),
        "## What it was made from",
        _identity(content),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _purpose(settings: Params) -> Iterator[str]:
    about = settings.card
    for title, text, key in (
        ("What it is for", about.purpose, "purpose"),
        ("What it is not for", about.out_of_scope, "out_of_scope"),
        ("Who answers for it", about.owner, "owner"),
    ):
        yield f"## {title}"
        yield prose(text, _LONG) if text else f"Not said (`card.{key}` in `params.yaml`)."


def _model(content: Content) -> str:
    model, settings = content.model, content.settings
    given = settings.model.hyperparameters
    hyperparameters = ", ".join(f"{code(name)} {code(value)}" for name, value in given.items())
    rows = [
        ["predicts", _predicts(model, settings)],
        ["family", code(model.family)],
        ["hyperparameters", hyperparameters or "those of scikit-learn"],
        ["decision", _decision(model, settings)],
        *([] if content.coverage is None else [_interval_row(content.coverage)]),
        ["features", listed(model.features, _MOST_NAMES)],
    ]
    return table(["", ""], rows)


def _interval_row(coverage: float) -> list[str]:
    return ["interval", f"holds {coverage:.1%} of the held-out customers' numbers"]


def _predicts(model: ModelCard, settings: Params) -> str:
    if model.classes:
        names = listed([str(name) for name in model.classes], _MOST_NAMES)
        return f"which of {names} {code(model.target)} is"
    if model.half_width is not None:
        return f"the number {code(model.target)}"
    return f"the probability that {code(model.target)} is {code(settings.data.positive)}"


def _decision(model: ModelCard, settings: Params) -> str:
    decision = settings.decision
    if isinstance(decision, RegressionDecision):
        return (
            f"an interval of the prediction plus and minus {number(model.half_width)}, the error"
            f" that {decision.coverage:.0%} of the out-of-fold predictions of training rows do not"
            " exceed"
        )
    if isinstance(decision, MulticlassDecision):
        costs = ", ".join(f"{code(name)} {cost:g}" for name, cost in decision.costs.items())
        return f"the class with the lowest expected cost, where missing one costs {costs or '1'}"
    how = {
        "cost": "the threshold with the lowest cost on out-of-fold predictions of training rows,"
        f" at {decision.cost_false_negative:g} for a customer lost without an offer and"
        f" {decision.cost_false_positive:g} for an offer to one who would have stayed",
        "f1": "the threshold with the highest F1 on out-of-fold predictions of training rows",
        "fixed": "a fixed threshold",
    }[decision.strategy]
    return f"churn at a probability of {number(model.threshold)} and above: {how}"


def _data(content: Content) -> str:
    stats, model = content.stats, content.model
    sides = [
        [name, f"{side.rows:,}", _labels(side)]
        for name, side in (("training", stats.train), ("held out", stats.test))
    ]
    columns = list(_columns(stats.train))
    return "\n\n".join(
        [
            table(["customers", "number", _kind(stats.train)], sides, numbers=(1, 2)),
            _held_out(model),
            first_rows(["column", "kind", "missing", "in training rows"], columns, numbers=(2,)),
        ]
    )


def _held_out(model: ModelCard) -> str:
    share = f"A hash of the id holds out {model.test_share:.0%}"
    if model.held_out_below is not None:
        return f"{share} of each tenth of the customers by their number."
    return f"{share} of the customers, always the same."


def _kind(side: TableStats) -> str:
    kinds = {"churned": side.label_rate, "mean": side.label_mean}
    return next((kind for kind, value in kinds.items() if value is not None), "classes")


def _labels(side: TableStats) -> str:
    if side.label_rate is not None:
        return f"{side.label_rate:.1%}"
    if side.label_mean is not None:
        return number(side.label_mean)
    counts = side.label_counts or {}
    return ", ".join(f"{code(name)} {count / side.rows:.1%}" for name, count in counts.items())


def _columns(train: TableStats) -> Iterator[list[str]]:
    def missing(count: int) -> str:
        return f"{count / train.rows:.1%}"

    for name, of in train.numeric.items():
        yield [code(name), "number", missing(of.missing), _range(of)]
    for name, day in train.dates.items():
        span = f"{prose(day.oldest)} to {prose(day.newest)}" if day.oldest and day.newest else ""
        yield [code(name), "date", missing(day.missing), span]
    for name, category in train.categorical.items():
        most = sorted(category.counts, key=lambda value: -category.counts[value])
        shown = f"{category.values:,} values, most often {listed(most[:_MOST_CATEGORIES], 3)}"
        yield [code(name), "category", missing(category.missing), shown]


def _range(of: NumericStats) -> str:
    ends = [of.quantiles.get(share) for share in _RANGE]
    if any(end is None for end in ends):
        return "no value"
    low, middle, high = (f"{end:g}" for end in ends)
    return f"{low} to {high}, median {middle}"


def _metrics(content: Content) -> str:
    rows, metrics = [], content.metrics
    for name, found in content.intervals.items():
        shown = "undefined"
        if found.lower is not None and found.upper is not None:
            shown = f"{number(found.lower)} to {number(found.upper)}"
        rows.append(
            [TITLES[name], number(metrics.test.get(name)), shown, number(metrics.train.get(name))]
        )
    note = (
        "The intervals are of a bootstrap over the held-out customers: they cover which customers"
        " were held out, and not another table of training rows. Where too few of some kind were"
        " held out, a number or an interval is undefined."
    )
    header = ["", "held-out customers", "95% interval", "training rows"]
    return f"{table(header, rows, numbers=(1, 2, 3))}\n\n{note}"


def _slices(slices: Sequence[SliceMetrics]) -> str:
    rows, small = [], 0
    measured = [one.metrics for one in slices if one.metrics is not None]
    names = [name for name in SHOWN if measured and name in measured[0]][:_MOST_METRICS]
    for one in slices:
        if one.metrics is None:
            small += one.rows > 0
            continue
        values = [number(one.metrics.get(name)) for name in names]
        rows.append([code(one.column), code(one.slice), f"{one.rows:,}", *_outcome(one), *values])
    outcomes = ["churned"] * any(one.churned is not None for one in slices)
    outcomes += ["mean"] * any(one.mean is not None for one in slices)
    header = ["column", "slice", "customers", *outcomes, *(TITLES[name] for name in names)]
    shown = first_rows(header, rows, numbers=range(2, len(header))) or "No slices are measured."
    return f"{shown}\n\nToo small to be measured: {small:,}." if small else shown


def _outcome(one: SliceMetrics) -> list[str]:
    """Return what became of a slice's customers, in one number; of classes there is none."""
    if one.churned is not None:
        return [f"{one.churned / one.rows:.1%}"]
    return [] if one.mean is None else [number(one.mean)]


def _checks(content: Content) -> str:
    checks = content.checks
    said = f"{checks.passed:,} of {len(checks.checks):,} checks of deepchecks passed."
    rows = [
        [code(check.check), check.status, prose(check.error or check.details or "", 300)]
        for check in checks.checks
        if check.status != "passed"
    ]
    return "\n\n".join(filter(None, [said, first_rows(["check", "", "found"], rows)]))


def _limits(content: Content) -> str:
    """Say what the results do not cover, by what they are of."""
    settings, stats = content.settings, content.stats
    lines = [
        "The metrics hold for customers like those of the table: for others, `churn monitor` says"
        " when customers or results change.",
        f"Beyond the numbers that the {stats.train.rows:,} training rows had (see Data) the model"
        " predicts as for the nearest ones, or, if it is linear, extrapolates.",
    ]
    if settings.data.categorical:
        lines.append("Categories that the training rows did not have are treated as rare ones.")
    lines += [
        f"Slices of fewer than {settings.evaluation.slices.min_rows:,} held-out customers are not"
        " measured.",
        "Reasons say what the model goes by, and not what causes the outcome.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _review(verdict: Verdict) -> str:
    word = "passed" if verdict.passed else "not passed"
    if verdict.undecided:
        word = "cannot tell, a person has to decide" if verdict.passed else "cannot tell"
    said = f"Verdict: **{word}**. {prose(verdict.reason)}"
    moved = (
        f"The change moved its own limits: {listed(verdict.moved, 10)}." if verdict.moved else ""
    )
    return "\n\n".join(filter(None, [said, moved, gate_table(verdict.gates)]))


def _identity(content: Content) -> str:
    source = content.source
    request = f"number {source.pull_request}" if source.pull_request else "none"
    rows = [
        ["made", source.summary],
        ["pull request", request],
        *([["run", prose(source.run)]] if source.run else []),
        *([name, code(value)] for name, value in content.identity.items()),
    ]
    return table(["", ""], rows)
