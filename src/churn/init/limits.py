"""Choose margins and minima that suit a table, from a first model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from churn.core.files import read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.evaluation.comparison import Scored
from churn.evaluation.intervals import intervals
from churn.evaluation.results import Metrics
from churn.init.decisions import Decision
from churn.stages import margins

# Differences that hardly anybody would act on: a larger table needs no narrower margin.
_MATTERS = {"roc_auc": 0.01, "average_precision": 0.02, "cost": 0.03, "brier": 0.005}
_SLICE_MATTERS = {"roc_auc": 0.02, "brier": 0.01}
_SCORES = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
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
    # With one rival, as `evaluate` does it before it says that a margin is too small.
    warned = {c.metric: c.supported for c in margins.measure(workspace, settings, rivals=1)}
    for check in margins.measure(workspace, settings):
        supported = max(float(f"{_ROOM * check.supported:.2g}"), warned[check.metric])
        matters = _MATTERS.get(check.metric, check.margin)
        chosen[check.metric] = max(matters, supported)
        half = check.sensitivity.half_width
        why = f"intervals reach ±{half:.2g} with {check.rows:,} customers; "
        if chosen[check.metric] > matters:
            why += f"9 of 10 equal models keep {check.supported:g}, and some room"
        else:
            why += f"less than {matters:g} would not matter"
        yield Decision(("gates", "margins", check.metric), chosen[check.metric], (why,))
    for metric, limit in settings.gates.slice_margins.items():
        usual = min(limit, _SLICE_MATTERS.get(metric, limit))
        wanted = float(f"{2 * chosen.get(metric, 0):.2g}")
        if wanted > usual:
            why = "twice the margin of all customers, as slices are smaller"
            yield Decision(("gates", "slice_margins", metric), wanted, (why,))
        elif limit != usual:
            yield Decision(("gates", "slice_margins", metric), usual)


def of_minima(workspace: Workspace, settings: Params) -> Iterator[Decision]:
    """Choose minima halfway from a model that knows nothing to the first model.

    But at most the lower end of the first model's interval, and at least what guessing reaches in
    19 of 20 cases.
    """
    test = read_parquet(workspace.split("test"), "prepare")
    y = test[settings.data.target].to_numpy()
    probability = read_parquet(workspace.predictions("test"), "evaluate")["probability"].to_numpy()
    scored = Scored(probability, read_json(workspace.metrics, "evaluate", Metrics).threshold)
    found = intervals(y, scored, settings.decision, settings.comparison.seed, _RESAMPLES)
    rng = np.random.default_rng(settings.comparison.seed)
    guesses = [rng.permutation(probability) for _ in range(_GUESSES)]
    for metric, score in _SCORES.items():
        trivial = 0.5 if metric == "roc_auc" else float(y.mean())
        value = found[metric].value or trivial
        chance = float(np.quantile([score(y, guess) for guess in guesses], _BY_CHANCE))
        halfway = min((trivial + value) / 2, found[metric].lower or value)
        minimum = max(math.floor(100 * halfway), math.ceil(100 * chance)) / 100
        why = (
            f"the first model has {value:.3f}, knowing nothing gives {trivial:.3f}, and with luck"
            f" {chance:.3f}"
        )
        yield Decision(("gates", "minima", metric), minimum, (why,))


def learns_nothing(minima: Sequence[Decision], metrics: Metrics) -> list[str]:
    """Return the metrics in which the first model is no better than guessing."""
    values = metrics.sides["test"]
    by_metric = {str(minimum.path[-1]): minimum.value for minimum in minima}
    return [metric for metric, minimum in by_metric.items() if (values[metric] or 0.0) < minimum]
