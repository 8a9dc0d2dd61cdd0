"""Choose the limits of deepchecks that depend on what a table is like.

Not those of drift: the checks' program takes off what chance does with this number of rows
(docs/adr/0014), so that a limit is the drift that matters, in any table. Nor those that look for a
copy of the target.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from churn.core.files import read_json, read_parquet
from churn.core.params import ChecksParams, Params
from churn.core.paths import SIDES, Workspace
from churn.evaluation.metric_names import SMALLER_IS_BETTER
from churn.evaluation.results import Metrics
from churn.init.decisions import Decision, Keys
from churn.init.tasks import NEEDS
from churn.stages import validate

_ROOM = 1.25  # a limit is so much larger than what the table has
_LETTER = re.compile(r"\w")
# What the template ships; a test compares them. A limit that is larger has been raised for a table
# before, so these are what a table starts from.
SHIPPED = {
    ("PercentOfNulls", "percent_of_nulls_not_greater_than"): 0.1,
    ("DataDuplicates", "ratio_less_or_equal"): 0.02,
    ("ConflictingLabels", "ratio_of_conflicting_labels_less_or_equal"): 0.01,
    ("SpecialCharacters", "ratio_of_special_characters_less_or_equal"): 0.01,
    ("TrainTestSamplesMix", "duplicates_ratio_less_or_equal"): 0.02,
    ("TrainTestPerformance", "train_test_relative_degradation_less_than"): 0.22,
    ("ClassImbalance", "class_ratio_greater_than"): 0.05,
    ("SimpleModelComparison", "gain_greater_than"): 0.05,
}
_VARIANTS = "number_variants_less_or_equal"


def decide(workspace: Workspace, settings: Params) -> Iterator[Decision]:
    """Raise the limits that this table would exceed.

    Parameters
    ----------
    workspace : Workspace
        In which the stages up to `evaluate` have run.
    settings : Params
    """
    frames = [read_parquet(workspace.split(side), "prepare") for side in SIDES]
    sides = read_json(workspace.metrics, "evaluate", Metrics).sides
    columns = list(settings.data.inputs)
    train, test = (frame[[*columns, settings.data.target]] for frame in frames)
    table = pd.concat([train, test], ignore_index=True)
    labels = table.groupby(columns, dropna=False, sort=False)[settings.data.target]
    hashed = (pd.util.hash_pandas_object(side, index=False) for side in (test, train))
    special = [
        float((~column.dropna().str.contains(_LETTER)).sum() / len(column))
        for _, column in table[list(settings.data.categorical)].items()
    ]
    ratios = {
        metric: (sides["test"][metric] or 0.0) / (sides["train"][metric] or 1.0)
        for metric in NEEDS[settings.task].lost
    }
    lost = max(r - 1 if m in SMALLER_IS_BETTER else 1 - r for m, r in ratios.items())
    has = {
        "PercentOfNulls": (
            float(table[columns].isna().mean().max()), "missing cells, in the emptiest column",
        ),
        "DataDuplicates": (float(table.duplicated().mean()), "rows that equal another, ids aside"),
        "ConflictingLabels": (
            float((labels.transform("nunique") > 1).mean()), "rows that are equal, but the target",
        ),
        "SpecialCharacters": (max(special, default=0.0), "texts without a letter or digit"),
        "TrainTestSamplesMix": (
            float(next(hashed).isin(next(hashed)).mean()), "held-out rows that equal training rows",
        ),
        "TrainTestPerformance": (lost, "is lost by the first model on held-out customers"),
    }  # fmt: skip
    for (check, condition), shipped in SHIPPED.items():
        for path, limit in _limits(settings.checks, check, condition):
            if check in has:
                share, what = has[check]
                usual = min(limit, shipped)
                wanted = math.ceil(100 * share * _ROOM) / 100 if share > usual else usual
                yield from _chosen(path, limit, usual, min(1.0, wanted), f"{share:.0%} {what}")
    yield from _of_imbalance(table[settings.data.target], settings.checks)
    yield from _of_variants(table, settings)
    yield from _of_simple_model(workspace, settings)


def _chosen(path: Keys, limit: float, usual: float, wanted: float, why: str) -> Iterator[Decision]:
    """Yield a limit, and the reason if it is not the usual one."""
    if wanted != usual:
        yield Decision(path, wanted, (f"{why}, and {usual:g} is the usual limit",))
    elif limit != usual:
        yield Decision(path, usual)


def _of_imbalance(labels: pd.Series, checks: ChecksParams) -> Iterator[Decision]:
    counts = labels.value_counts()
    ratio = float(counts.min() / counts.max())
    shipped = SHIPPED["ClassImbalance", "class_ratio_greater_than"]
    for path, limit in _limits(checks, "ClassImbalance", "class_ratio_greater_than"):
        usual = max(limit, shipped)
        wanted = float(f"{ratio / 2:.1g}") if ratio <= usual * _ROOM else usual
        why = f"{ratio:.2g} customers of the rarest kind for each of the most frequent one"
        yield from _chosen(path, limit, usual, wanted, why)


def _of_simple_model(workspace: Workspace, settings: Params) -> Iterator[Decision]:
    """Require no gain over a simple model where there is none, but that none is lost."""
    condition = "gain_greater_than"
    shipped = SHIPPED["SimpleModelComparison", condition]
    for path, limit in _limits(settings.checks, "SimpleModelComparison", condition):
        usual = max(limit, shipped)
        entry = settings.checks.suites[str(path[1])][int(path[2])]
        conditions = {**entry.conditions, condition: usual}
        listed = dict.fromkeys(settings.checks.suites, ()) | {
            str(path[1]): (entry.model_copy(update={"conditions": conditions}),)
        }
        [result] = validate.check(
            workspace, settings, settings.checks.model_copy(update=listed)
        ).checks
        why = "a simple tree is about as good as the first model; churn tune may find a better one"
        yield from _chosen(path, limit, usual, usual if result.status == "passed" else 0.0, why)


def _of_variants(table: pd.DataFrame, settings: Params) -> Iterator[Decision]:
    """Allow as many ways of writing one category as there are."""
    most = 1
    for name in settings.data.categorical:
        texts = pd.Series(table[name].dropna().unique(), dtype="str")
        bare = texts.str.lower().str.replace(r"[^\w]|_", "", regex=True)
        most = max(most, int(texts.groupby(bare).size().max()) if len(texts) else 1)
    for condition in ("no_variants", _VARIANTS):
        for path, _ in _limits(settings.checks, "StringMismatch", condition):
            why = f"a category is written in {most} ways, such as AB and ab; better, mend the table"
            if most > 1:
                yield Decision(path[:-1], {_VARIANTS: most}, (why,))
            elif condition == _VARIANTS:
                yield Decision(path[:-1], {"no_variants": None})


def _limits(checks: ChecksParams, check: str, condition: str) -> Iterator[tuple[Keys, Any]]:
    """Yield where params.yaml has a condition of a check, and its value."""
    for suite, listed in checks.suites.items():
        for place, entry in enumerate(listed):
            if entry.check == check and condition in entry.conditions:
                path = ("checks", suite, place, "conditions", condition)
                yield path, entry.conditions[condition]
