"""Choose margins and minima that suit a table, from a first model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from churn.core.files import read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data.stats import DataStats
from churn.evaluation import tasks
from churn.evaluation.intervals import intervals
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics
from churn.evaluation.tasks import Scored
from churn.init.decisions import Decision
from churn.init.tasks import NEEDS
from churn.stages import margins

_GUESSES, _BY_CHANCE = 200, 0.95
_RESAMPLES = 1000
_ROOM = 1.15  # equal models are simulated, and a few of them only


def of_margins(workspace: Workspace, settings: Params) -> Iterator[Decision]:
    """Choose by how much a candidate may be worse: what this table can tell apart, or what matters.

    Parameters
    ----------
    workspace : Workspace
        In which the stages up to `evaluate` have run.
    settings : Params
    """
    chosen: dict[str, float] = {}
    small, small_of_slices = _small(workspace, settings)
    customers = read_json(workspace.data_stats, "prepare", DataStats).rows
    for check in margins.measure(workspace, settings):
        # With one rival, as `evaluate` does it before it says that a margin is too small.
        warned = check.of_rivals(1).supported
        supported = max(float(f"{_ROOM * check.supported:.2g}"), warned)
        matters = small.get(check.metric, check.margin)
        chosen[check.metric] = max(matters, supported)
        half = check.sensitivity.half_width
        why = f"a difference is known to ±{half:.2g} with {_compared(check.rows, customers)}; "
        if chosen[check.metric] > matters:
            why += (
                f"9 of 10 equally good models lose at most {check.supported:g}, and a little more"
            )
            why += " is allowed"
        else:
            why += f"a loss of less than {matters:g} would not matter"
        yield Decision(("gates", "margins", check.metric), chosen[check.metric], (why,))
    relative = NEEDS[settings.task].slice_margins if NEEDS[settings.task].relative else {}
    for metric, limit in settings.gates.slice_margins.items():
        usual = small_of_slices.get(metric, limit)
        if not relative:  # then a smaller one is somebody's own
            usual = min(usual, limit)
        wanted = float(f"{2 * chosen.get(metric, 0):.2g}")
        if wanted > usual:
            why = "twice the margin of all customers, as slices are smaller"
            yield Decision(("gates", "slice_margins", metric), wanted, (why,))
        elif metric in relative:
            why = f"{relative[metric]:.0%} of the first model's {TITLES[metric]}"
            yield Decision(("gates", "slice_margins", metric), usual, (why,))
        elif limit != usual:
            yield Decision(("gates", "slice_margins", metric), usual)


def _compared(rows: int, customers: int) -> str:
    """Say how many customers are compared, and of how many if that is a part."""
    if rows == customers:
        return f"{rows:,} customers"
    return f"{rows:,} of the {customers:,} customers (decision.max_rows, comparison.max_rows)"


def _small(workspace: Workspace, settings: Params) -> tuple[dict[str, float], dict[str, float]]:
    """Return the differences that hardly anybody would act on: of all customers, and of slices."""
    needs = NEEDS[settings.task]
    if not needs.relative:
        return needs.margins, needs.slice_margins
    values = read_json(workspace.metrics, "evaluate", Metrics).test
    of_all, of_slices = (
        {name: float(f"{share * (values[name] or 0.0):.2g}") for name, share in shares.items()}
        for shares in (needs.margins, needs.slice_margins)
    )
    return of_all, of_slices


def of_minima(workspace: Workspace, settings: Params) -> Iterator[Decision]:
    """Choose minima halfway from a model that knows nothing to the first model.

    But at most the lower end of the first model's interval, and at least what guessing reaches in
    19 of 20 cases.
    """
    task = tasks.of_params(settings)
    test = read_parquet(workspace.split("test"), "prepare")
    y = test[settings.data.target].to_numpy()
    scores = task.output.scores(read_parquet(workspace.predictions("test"), "evaluate"))
    rule = read_json(workspace.metrics, "evaluate", Metrics).rule
    seed = settings.comparison.seed
    found = intervals(task, y, Scored(scores, rule), seed, _RESAMPLES)
    rng, once = np.random.default_rng(seed), np.ones((len(y), 1))
    guesses = [
        task.weighted(y, Scored(rng.permutation(scores), rule)).metrics(once)
        for _ in range(_GUESSES)
    ]
    for metric in NEEDS[settings.task].minima:
        guessed = [float(guess[metric][0]) for guess in guesses]
        trivial, chance = max(0.0, float(np.mean(guessed))), float(np.quantile(guessed, _BY_CHANCE))
        value = found[metric].value or trivial
        halfway = min((trivial + value) / 2, found[metric].lower or value)
        minimum = max(0.0, math.floor(100 * halfway), math.ceil(100 * chance)) / 100
        why = f"the first model has {value:.3f}; its predictions in random order have "
        if max(trivial, chance) > 0:
            why += f"{trivial:.3f}, and at most {max(chance, trivial):.3f} in 19 of 20 cases"
        else:
            why += "nothing above 0"
        yield Decision(("gates", "minima", metric), minimum, (why,))


def learns_nothing(minima: Sequence[Decision], metrics: Metrics) -> list[str]:
    """Return the metrics in which the first model is no better than guessing."""
    values = metrics.sides["test"]
    by_metric = {str(minimum.path[-1]): minimum.value for minimum in minima}
    return [metric for metric, minimum in by_metric.items() if (values[metric] or 0.0) < minimum]
