"""What chance alone does to a check's result, with this many rows.

A limit of params.yaml is the effect that matters. A check that finds more than that is looked at
again: it is run on rows in which the effect is not there, because they were shuffled, and what it
finds there by chance is taken off its result. What is left has to keep the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

if TYPE_CHECKING:  # what is here needs no deepchecks
    from checks.sides import Sides

Effects = dict[str, float]
# One of so many checks on rows of chance alone goes further.
_ONE_OF = 200
_LEAST_DRAWS = 5  # that have to give a result


@dataclass(frozen=True)
class Noise:
    """How to tell chance from an effect in the result of one kind of check.

    Attributes
    ----------
    effects : callable
        From a check's value to its effects by name (a column, a metric); more is worse.
    without : callable
        From a check's value and an amount for each name to the value with that taken off.
    draw : callable
        From both sides and a generator to sides in which there is chance only.
    draws : int
        How many are made: fewer where the check takes long.
    is_null : bool, default=True
        Whether there is no effect in what is drawn; else it is as large as it was, and only its
        deviation counts.
    """

    effects: Callable[[Any], Effects]
    without: Callable[[Any, Effects], Any]
    draw: Callable[[Sides, np.random.Generator], Sides]
    draws: int
    is_null: bool = True

    def floor(self, found: list[Effects]) -> Effects:
        """Return how far chance alone goes, for each name.

        Parameters
        ----------
        found : list of dict
            The effects in each draw.
        """
        names = dict.fromkeys(name for effects in found for name in effects)
        values = {name: np.array([one[name] for one in found if name in one]) for name in names}
        # By Bonferroni: that any name goes further is as rare as it is for a single one.
        beyond = 1 / (_ONE_OF * max(1, len(names)))
        return {
            name: self._reach(of_name, beyond)
            for name, of_name in values.items()
            # What is no number in one draw would be taken for no effect at all.
            if len(of_name) >= _LEAST_DRAWS and np.isfinite(of_name).all()
        }

    def _reach(self, values: np.ndarray, beyond: float) -> float:
        """Predict how far one more value goes but for a share, as Student's distribution has it."""
        n = len(values)
        quantile = stats.t.ppf(1 - beyond, n - 1) * np.sqrt(1 + 1 / n)
        deviation = quantile * values.std(ddof=1)
        if not self.is_null:
            return float(deviation)
        # Some effects are mostly zero and then large: their deviation does not tell how large.
        return float(max(values.mean() + deviation, values.max()))


def told_beside(effects: Effects, floor: Effects) -> str:
    """Say how far chance alone goes, of the effect that goes furthest beyond it."""
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
    """Shuffle who is in which side: nothing tells one from the other then."""
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
    """Shuffle labels with their predictions among the held-out rows: no segment is weak then."""
    test = sides.frames["test"].copy()
    together = [sides.target, sides.probability]
    test[together] = test[together].to_numpy()[rng.permutation(len(test))]
    test[sides.target] = test[sides.target].astype(sides.frames["test"][sides.target].dtype)
    return sides.of({"train": sides.frames["train"], "test": test})


def _other_labels(sides: Sides, rng: np.random.Generator) -> Sides:
    """Shuffle the labels among the rows of each side: no column tells anything of them then."""
    frames = {
        side: frame.assign(**{sides.target: rng.permutation(frame[sides.target])})
        for side, frame in sides.frames.items()
    }
    return sides.of(frames)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _score(key: str) -> tuple[Callable[[Any], Effects], Callable[[Any, Effects], Any]]:
    """Return how to read and lower a value that has one score, under a key."""

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
    taken_off = [floor.get(str(column), 0.0) for column in value.index]
    return value.assign(**{_NEW: np.maximum(0.0, value[_NEW] - taken_off)})


def _by_score(value: pd.DataFrame, side: str) -> pd.Series:
    """Return the scores of a side by metric and, where they are scored one by one, label."""
    found = value[value["Dataset"] == side]
    names = found["Metric"].astype(str)
    if "Class" in found:
        names += found["Class"].map(lambda label: "" if pd.isna(label) else f" {label}")
    return pd.Series(found["Value"].to_numpy(dtype=float), index=names.to_numpy())


def _degradations(value: pd.DataFrame) -> Effects:
    train = _by_score(value, "Train")
    lost = (train - _by_score(value, "Test")) / train.abs()
    return {str(name): float(one) for name, one in lost.items()}


def _without_degradations(value: pd.DataFrame, floor: Effects) -> Any:
    train, test = _by_score(value, "Train").abs(), _by_score(value, "Test")
    given = {name: train[name] * floor.get(name, 0.0) for name in map(str, test.index)}
    left = value.copy()
    left.loc[left["Dataset"] == "Test", "Value"] = test.to_numpy() + list(given.values())
    return left


def _models(value: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Give the scores of the model ("Origin") and of the simple one, by metric and class."""
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


# A check that is not listed has its limit as it stands.
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
