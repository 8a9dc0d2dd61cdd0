"""Choose the limits of deepchecks that depend on what a table is like."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from churn.core.files import read_json, read_parquet
from churn.core.params import ChecksParams, Params
from churn.core.paths import SIDES, Workspace
from churn.data.dates import with_days
from churn.evaluation.results import Metrics
from churn.init.decisions import Decision
from churn.init.drift_noise import by_chance

_ROOM = 1.25  # a limit is so much larger than what the table has
_NUMERIC, _CATEGORICAL = "max_allowed_numeric_score", "max_allowed_categorical_score"
_LETTER = re.compile(r"\w")
_VARIANTS = "number_variants_less_or_equal"
# What the template ships; a test compares them. A limit that is larger has been raised for a table
# before, so these are what a table starts from.
SHIPPED = {
    ("PercentOfNulls", "percent_of_nulls_not_greater_than"): 0.1,
    ("DataDuplicates", "ratio_less_or_equal"): 0.02,
    ("ConflictingLabels", "ratio_of_conflicting_labels_less_or_equal"): 0.01,
    ("SpecialCharacters", "ratio_of_special_characters_less_or_equal"): 0.01,
    ("TrainTestSamplesMix", "duplicates_ratio_less_or_equal"): 0.02,
    ("TrainTestPerformance", "train_test_relative_degradation_less_than"): 0.22,
    ("FeatureDrift", _NUMERIC): 0.04,
    ("FeatureDrift", _CATEGORICAL): 0.1,
    ("PredictionDrift", "drift_score_less_than"): 0.04,
    ("LabelDrift", "drift_score_less_than"): 0.04,
}
_IMBALANCE = 0.05


def decide(workspace: Workspace, settings: Params) -> Iterator[Decision]:
    """Raise the limits that this table would exceed, or that its noise alone reaches.

    A limit that looks for a copy of the target among the columns stays as it is.

    Parameters
    ----------
    workspace : Workspace
        In which the stages up to `evaluate` have run.
    settings : Params
    """
    frames = {side: read_parquet(workspace.split(side), "prepare") for side in SIDES}
    yield from _of_properties(frames, settings)
    yield from _of_degradation(read_json(workspace.metrics, "evaluate", Metrics), settings.checks)
    for side, frame in frames.items():
        predicted = read_parquet(workspace.predictions(side), "evaluate")["probability"]
        frames[side] = with_days(frame, settings.data.dates).assign(probability=predicted)
    yield from _of_drift(frames, settings)


def _of_properties(frames: dict[str, pd.DataFrame], settings: Params) -> Iterator[Decision]:
    data, checks = settings.data, settings.checks
    table = pd.concat(frames.values(), ignore_index=True)
    inputs = list(data.inputs)
    yield from _raised(
        checks, "PercentOfNulls", "percent_of_nulls_not_greater_than",
        float(table[inputs].isna().mean().max()), "share of missing cells, in the emptiest column",
    )  # fmt: skip
    yield from _raised(
        checks, "DataDuplicates", "ratio_less_or_equal",
        float(table[[*inputs, data.target]].duplicated().mean()), "share of equal rows, ids aside",
    )  # fmt: skip
    labels = table.groupby(inputs, dropna=False, sort=False)[data.target].transform("nunique")
    yield from _raised(
        checks, "ConflictingLabels", "ratio_of_conflicting_labels_less_or_equal",
        float((labels > 1).mean()), "share of rows that are equal, but for the target",
    )  # fmt: skip
    train, test = (frame[[*inputs, data.target]] for frame in frames.values())
    mixed = pd.util.hash_pandas_object(test, index=False).isin(
        pd.util.hash_pandas_object(train, index=False)
    )
    yield from _raised(
        checks, "TrainTestSamplesMix", "duplicates_ratio_less_or_equal",
        float(mixed.mean()), "share of held-out rows that equal a training row, ids aside",
    )  # fmt: skip
    special = [
        float((~column.dropna().str.contains(_LETTER)).sum() / len(column))
        for _, column in table[list(data.categorical)].items()
    ]
    yield from _raised(
        checks, "SpecialCharacters", "ratio_of_special_characters_less_or_equal",
        max(special, default=0.0), "share of texts without a letter or digit",
    )  # fmt: skip
    yield from _of_variants(table, settings)
    counts = table[data.target].value_counts()
    ratio = float(counts.min() / counts.max())
    for path, limit in _limits(checks, "ClassImbalance", "class_ratio_greater_than"):
        usual = max(limit, _IMBALANCE)
        low = ratio <= usual * _ROOM
        why = (f"there are {ratio:.2g} customers of the rarer kind for each other one",)
        if low or limit != usual:
            yield Decision(path, float(f"{ratio / 2:.1g}") if low else usual, why if low else ())


def _of_variants(table: pd.DataFrame, settings: Params) -> Iterator[Decision]:
    """Allow as many ways of writing one category as there are."""
    most = 1
    for name in settings.data.categorical:
        texts = pd.Series(table[name].dropna().unique(), dtype="str")
        bare = texts.str.lower().str.replace(r"[^\w]|_", "", regex=True)
        most = max(most, int(texts.groupby(bare).size().max()) if len(texts) else 1)
    for condition in ("no_variants", _VARIANTS):
        for path, _ in _limits(settings.checks, "StringMismatch", condition, any_value=True):
            why = f"a category is written in {most} ways, such as AB and ab; better, mend the table"
            if most > 1:
                yield Decision(path[:-1], {_VARIANTS: most}, (why,))
            elif condition == _VARIANTS:
                yield Decision(path[:-1], {"no_variants": None})


def _of_degradation(metrics: Metrics, checks: ChecksParams) -> Iterator[Decision]:
    """Allow the first model's loss from training to held-out customers."""
    train, test = metrics.sides["train"], metrics.sides["test"]
    lost = max(
        1 - (test[metric] or 0.0) / (train[metric] or 1.0)
        for metric in ("roc_auc", "average_precision")
    )
    yield from _raised(
        checks, "TrainTestPerformance", "train_test_relative_degradation_less_than",
        lost, "loss of the first model from training to held-out customers",
    )  # fmt: skip


def _of_drift(frames: dict[str, pd.DataFrame], settings: Params) -> Iterator[Decision]:
    """Do not look for drift that is smaller than what chance gives with these rows."""
    data, checks = settings.data, settings.checks
    rows = pd.concat(frames.values(), ignore_index=True)
    chosen = np.random.default_rng(checks.seed).permutation(len(rows))[: checks.max_rows]
    sample = rows.iloc[chosen]
    held_out = round(len(sample) * len(frames["test"]) / len(rows))
    why = f"chance alone reaches {{:.2g}} with {len(sample):,} rows"
    seed = checks.seed
    numeric, categorical = by_chance(
        sample, held_out, [*data.numeric, *data.dates], list(data.categorical), seed
    )
    for path, limits in _limits(checks, "FeatureDrift", "drift_score_less_than", any_value=True):
        for key, noise in ((_NUMERIC, numeric), (_CATEGORICAL, categorical)):
            if isinstance(limits, dict) and key in limits:
                usual = min(limits[key], SHIPPED["FeatureDrift", key])
                yield from _chosen((*path, key), limits[key], usual, noise, why.format(noise))
    score, _ = by_chance(sample, held_out, ["probability"], [], seed)
    _, label = by_chance(sample, held_out, [], [data.target], seed)
    for check, noise in (("PredictionDrift", score), ("LabelDrift", label)):
        for path, limit in _limits(checks, check, "drift_score_less_than"):
            usual = min(limit, SHIPPED[check, "drift_score_less_than"])
            yield from _chosen(path, limit, usual, noise, why.format(noise))


def _raised(
    checks: ChecksParams, check: str, condition: str, found: float, what: str
) -> Iterator[Decision]:
    """Yield a limit with room above what was found, if that exceeds the usual limit."""
    for path, limit in _limits(checks, check, condition):
        usual = min(limit, SHIPPED[check, condition])
        wanted = found * _ROOM if found > usual else usual
        yield from _chosen(path, limit, usual, wanted, f"{found:.2g} is the {what}")


def _chosen(
    path: tuple[str | int, ...], limit: float, usual: float, wanted: float, why: str
) -> Iterator[Decision]:
    """Yield the larger of the usual and the wanted limit, if there is anything to write."""
    if wanted > usual:
        yield Decision(path, _up(wanted), (why,))
    elif limit != usual:
        yield Decision(path, usual)


# The values of conditions are those of deepchecks.
def _limits(
    checks: ChecksParams, check: str, condition: str, any_value: bool = False
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield where params.yaml has a condition of a check, and its value."""
    for suite, listed in checks.suites.items():
        for place, entry in enumerate(listed):
            if entry.check == check and condition in entry.conditions:
                value = entry.conditions[condition]
                if any_value or isinstance(value, (int, float)):
                    yield ("checks", suite, place, "conditions", condition), value


def _up(value: float) -> float:
    return min(1.0, math.ceil(value * 100) / 100)
