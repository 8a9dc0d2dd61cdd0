"""A metric stands in several lists (docs/architecture.md, "Changing it"): they have to agree."""

from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from churn.core.params import GatedName, MetricName, Params
from churn.evaluation import metrics, weighted
from churn.evaluation.metric_names import AT_THRESHOLD, RANKINGS, SMALLER_IS_BETTER, TITLES

NAMES = set(TITLES)


def names(annotation: object) -> set[str]:
    """Return the literals of a type, those of the literals in it included."""
    return set(re.findall(r"'(\w+)'", str(get_args(annotation))))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("RATIOS in evaluation/weighted.py, or RANKINGS", set(weighted.RATIOS) | RANKINGS),
        ("MetricName in core/params.py", names(MetricName)),
        ("GatedName in core/params.py, or SMALLER_IS_BETTER", names(GatedName) | SMALLER_IS_BETTER),
    ],
)
def test_each_metric_is_in(where: str, found: set[str]) -> None:
    assert found == NAMES, f"{where}: not the metrics of TITLES"


def test_a_metric_is_measured_if_it_has_a_title(settings: Params) -> None:
    measured = metrics.measure(
        np.array([0, 1, 1, 0]), np.array([0.1, 0.8, 0.4, 0.3]), 0.5, settings.decision
    )
    assert set(measured.values) == NAMES


def test_what_changes_with_the_threshold_is_no_ranking_and_no_score() -> None:
    assert set(AT_THRESHOLD) == NAMES - RANKINGS - {"log_loss", "brier"}


def test_a_minimum_is_for_what_is_better_if_it_is_more() -> None:
    assert not names(GatedName) & SMALLER_IS_BETTER
