"""Correct the results of checks for what chance alone gives with this many rows.

A limit in params.yaml is the size of an effect that matters. If a check exceeds it, the check is
run again on shuffled rows, which have no effect, and what it finds there by chance is subtracted
from its result. The rest must keep the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

if TYPE_CHECKING:  # this module does not need deepchecks
    from checks.sides import Sides

Effects = dict[str, float]
# Chance alone exceeds a floor in one of so many checks.
_ONE_OF = 200
_MIN_DRAWS = 5  # with a result


@dataclass(frozen=True)
class Noise:
    """How to correct the results of one check.

    Attributes
    ----------
    effects : callable
        Returns the effects in a check's value by name (a column, a metric); more is worse.
    without : callable
        Returns a check's value after subtracting an amount from each effect.
    draw : callable
        Returns both sides without the effect, given a random generator.
    draws : int
        Number of draws; fewer for slow checks.
    is_null : bool, default=True
        Whether the draws have no effect. Else their effect is that of the rows, and only its
        standard deviation counts.
    """

    effects: Callable[[Any], Effects]
    without: Callable[[Any, Effects], Any]
    draw: Callable[[Sides, np.random.Generator], Sides]
    draws: int
    is_null: bool = True

    def floor(self, found: list[Effects]) -> Effects:
        """Return how large each effect gets by chance alone.

        Parameters
        ----------
        found : list of dict
            The effects in each draw.
        """
        names = dict.fromkeys(name for effects in found for name in effects)
        values = {
            name: np.array([effects[name] for effects in found if name in effects])
            for name in names
        }
        # Bonferroni's correction: that chance exceeds any floor is as rare as for a single name.
        beyond = 1 / (_ONE_OF * max(1, len(names)))
        return {
            name: self._reach(of_name, beyond)
            for name, of_name in values.items()
            # With a draw that is not a number there is no floor, not a floor of zero.
            if len(of_name) >= _MIN_DRAWS and np.isfinite(of_name).all()
        }

    def _reach(self, values: np.ndarray, beyond: float) -> float:
        """Return a prediction limit by Student's distribution, which one more value exceeds rarely.

        Parameters
        ----------
        values : ndarray of float
            The effect in each draw.
        beyond : float
            Probability that one more value is larger.
        """
        n = len(values)
        quantile = stats.t.ppf(1 - beyond, n - 1) * np.sqrt(1 + 1 / n)
        deviation = quantile * values.std(ddof=1)
        if not self.is_null:
            return float(deviation)
        # Some effects are mostly zero and rarely large; the deviation is too small for them.
        return float(max(values.mean() + deviation, values.max()))


def describe_floor(effects: Effects, floor: Effects) -> str:
    """Describe the floor of the effect that exceeds its floor most."""
    known = [name for name in effects if name in floor]
    if not known:
        return "what chance alone does could not be found out with so few rows"
    name = max(known, key=lambda name: effects[name] - floor[name])
    where = f" of {name}" if name else ""
    return (
        f"{effects[name]:.3g}{where}, where chance alone gives up to {floor[name]:.3g} with this"
        " many rows; what is beyond that counts"
    )


def _other_sides(sides: Sides, rng: np.random.Generator) -> Sides:
    """Shuffle the rows between the sides, so that the sides do not differ."""
    both = pd.concat([sides.frames["train"], sides.frames["test"]], ignore_index=True)
    both = both.iloc[rng.permutation(len(both))]
    n = len(sides.frames["train"])
    return sides.of({"train": both.iloc[:n], "test": both.iloc[n:]})


def _other_held_out(sides: Sides, rng: np.random.Generator) -> Sides:
    """Draw the held-out rows with replacement."""
    test = sides.frames["test"]
    drawn = test.iloc[rng.integers(0, len(test), len(test))]
    return sides.of({"train": sides.frames["train"], "test": drawn})


def _other_predictions(sides: Sides, rng: np.random.Generator) -> Sides:
    """Shuffle labels with their predictions among the held-out rows, so that no segment is weak."""
    test = sides.frames["test"].copy()
    together = [sides.target, *sides.predicted]
    order = rng.permutation(len(test))
    for name in together:
        test[name] = test[name].to_numpy()[order]
    return sides.of({"train": sides.frames["train"], "test": test})


def _other_labels(sides: Sides, rng: np.random.Generator) -> Sides:
    """Shuffle the labels within each side, so that no column predicts them."""
    frames = {
        side: frame.assign(**{sides.target: rng.permutation(frame[sides.target])})
        for side, frame in sides.frames.items()
    }
    return sides.of(frames)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _score(key: str) -> tuple[Callable[[Any], Effects], Callable[[Any, Effects], Any]]:
    """Return `Noise.effects` and `Noise.without` for a value with one score, under a key."""

    def effects(value: Any) -> Effects:
        return {"": float(value[key])} if _is_number(value[key]) else {}

    def without(value: Any, floor: Effects) -> Any:
        if "" not in floor or not effects(value):
            return value
        return {**value, key: max(0.0, value[key] - floor[""])}

    return effects, without


def _drifts(value: Mapping[str, Any]) -> Effects:
    scores = {column: of["Drift score"] for column, of in value.items()}
    return {column: float(score) for column, score in scores.items() if _is_number(score)}


def _without_drifts(value: Mapping[str, Any], floor: Effects) -> Any:
    drifts = _drifts(value)
    return {
        column: {**of, "Drift score": max(0.0, drifts[column] - floor.get(column, 0.0))}
        if column in drifts
        else of
        for column, of in value.items()
    }


def _powers(value: Mapping[str, Any]) -> Effects:
    return {str(column): float(power) for column, power in value.items()}


def _without_powers(value: Mapping[str, Any], floor: Effects) -> Any:
    return {name: max(0.0, power - floor.get(name, 0.0)) for name, power in _powers(value).items()}


_CHANGE = "train-test difference"


def _changes(value: Mapping[str, Any]) -> Effects:
    return {column: abs(float(change)) for column, change in value[_CHANGE].items()}


def _without_changes(value: Mapping[str, Any], floor: Effects) -> Any:
    left = {
        column: float(np.sign(change) * max(0.0, abs(change) - floor.get(column, 0.0)))
        for column, change in value[_CHANGE].items()
    }
    return {**value, _CHANGE: left}


_NEW = "Ratio of New Categories"


def _new_categories(value: pd.DataFrame) -> Effects:
    return {str(column): float(ratio) for column, ratio in value[_NEW].items()}


def _without_new_categories(value: pd.DataFrame, floor: Effects) -> Any:
    amounts = [floor.get(str(column), 0.0) for column in value.index]
    return value.assign(**{_NEW: np.maximum(0.0, value[_NEW] - amounts)})


def _by_score(value: pd.DataFrame, side: str) -> pd.Series:
    """Return the scores of a side by metric, and by label if there is a score for each."""
    found = value[value["Dataset"] == side]
    names = found["Metric"].astype(str)
    if "Class" in found:
        names += found["Class"].map(lambda label: "" if pd.isna(label) else f" {label}")
    return pd.Series(found["Value"].to_numpy(dtype=float), index=names.to_numpy())


def _degradations(value: pd.DataFrame) -> Effects:
    train = _by_score(value, "Train")
    lost = (train - _by_score(value, "Test")) / train.abs()
    return {str(name): float(loss) for name, loss in lost.items()}


def _without_degradations(value: pd.DataFrame, floor: Effects) -> Any:
    train, test = _by_score(value, "Train").abs(), _by_score(value, "Test")
    given = {name: train[name] * floor.get(name, 0.0) for name in map(str, test.index)}
    left = value.copy()
    left.loc[left["Dataset"] == "Test", "Value"] = test.to_numpy() + list(given.values())
    return left


def _models(value: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Give the scores of the model ("Origin") and of the simple model, by metric and class."""
    for metric, scores in value["scores"].items():
        if "Origin" in scores:
            yield metric, scores
        else:
            yield from ((f"{metric} {label}", of_label) for label, of_label in scores.items())


def _gaps(value: Mapping[str, Any]) -> Effects:
    return {name: float(scores["Simple"] - scores["Origin"]) for name, scores in _models(value)}


def _without_gaps(value: Mapping[str, Any], floor: Effects) -> Any:
    def better(prefix: str, scores: Mapping[str, Any]) -> dict[str, Any]:
        # Scores, or scores by label: a value of deepchecks, which has no types.
        if "Origin" not in scores:
            return {label: better(f"{prefix} {label}", of) for label, of in scores.items()}
        return {**scores, "Origin": scores["Origin"] + floor.get(prefix, 0.0)}

    return {**value, "scores": {name: better(name, of) for name, of in value["scores"].items()}}


_SEGMENTS, _AVERAGE = "weak_segments_list", "avg_score"


def _weakest(value: Mapping[str, Any]) -> Effects:
    if _SEGMENTS not in value:
        return {"": 0.0}
    return {"": float(value[_AVERAGE]) - float(value[_SEGMENTS].iloc[0, 0])}


def _without_weakest(value: Mapping[str, Any], floor: Effects) -> Any:
    if _SEGMENTS not in value or "" not in floor:
        return value
    segments = value[_SEGMENTS].copy()
    raised = segments.iloc[:, 0].astype(float) + floor[""]
    segments.isetitem(0, np.minimum(raised, value[_AVERAGE]))
    return {**value, _SEGMENTS: segments}


# The results of other checks are not corrected.
NOISE = {
    "IdentifierLabelCorrelation": Noise(_powers, _without_powers, _other_labels, draws=100),
    "FeatureDrift": Noise(_drifts, _without_drifts, _other_sides, draws=40),
    "LabelDrift": Noise(*_score("Drift score"), _other_sides, draws=60),
    "PredictionDrift": Noise(*_score("Drift score"), _other_sides, draws=40),
    "MultivariateDrift": Noise(*_score("domain_classifier_drift_score"), _other_sides, draws=20),
    "NewCategoryTrainTest": Noise(_new_categories, _without_new_categories, _other_sides, draws=20),
    "FeatureLabelCorrelationChange": Noise(_changes, _without_changes, _other_sides, draws=12),
    "TrainTestPerformance": Noise(_degradations, _without_degradations, _other_sides, draws=20),
    "SimpleModelComparison": Noise(_gaps, _without_gaps, _other_held_out, draws=20, is_null=False),
    "WeakSegmentsPerformance": Noise(_weakest, _without_weakest, _other_predictions, draws=12),
}
