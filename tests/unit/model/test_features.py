"""Ratios and RFM scores."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from churn.model import features
from churn.model.features import DaysBeforeNewest, RatioFeatures, RfmScores

FRAME = pd.DataFrame({"spent": [10.0, 3.0, np.nan], "orders": [4.0, 0.0, 1.0]})


@parametrize_with_checks([DaysBeforeNewest(), RatioFeatures(), RfmScores()])
def test_scikit_learn_s_conventions_are_kept(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


def test_dates_are_days_before_the_newest_that_was_learned_from() -> None:
    learned = DaysBeforeNewest().fit([[10.0, np.nan], [13.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(
        learned.transform([[13.0, 1.0], [10.5, np.nan], [15.0, 2.0], [np.nan, 3.0]]),
        [[0.0, np.nan], [2.5, np.nan], [-2.0, np.nan], [np.nan, np.nan]],
    )


def test_a_ratio_is_the_numerator_over_the_denominator_plus_one() -> None:
    ratios = RatioFeatures([("spent", "orders"), ("orders", "spent")]).fit_transform(FRAME)
    expected = [[10 / 5, 4 / 11], [3 / 1, 0 / 4], [np.nan, np.nan]]
    np.testing.assert_array_equal(ratios, expected)


def test_a_denominator_of_minus_one_gives_a_missing_ratio() -> None:
    ratios = RatioFeatures([(0, 1)]).fit_transform([[5.0, -1.0], [5.0, -2.0]])
    np.testing.assert_array_equal(ratios, [[np.nan], [-5.0]])


def test_a_ratio_that_overflows_is_missing() -> None:
    ratio = RatioFeatures([(0, 1)]).fit([[1e308, -1 + 1e-9], [-1e308, -1 + 1e-9], [0.0, -1.0]])
    assert np.isnan(ratio.transform([[1e308, -1 + 1e-9], [-1e308, -1 + 1e-9], [0.0, -1.0]])).all()


def test_columns_are_named_or_counted() -> None:
    named = RatioFeatures([("spent", "orders")]).fit_transform(FRAME)
    counted = RatioFeatures([(0, 1)]).fit_transform(FRAME.to_numpy())
    np.testing.assert_array_equal(named, counted)


def test_without_pairs_each_column_is_paired_with_the_next() -> None:
    fitted = RatioFeatures().fit(np.ones((2, 3)))
    assert fitted.pairs_.tolist() == [[0, 1], [1, 2], [2, 0]]


@pytest.mark.parametrize("column", ["profit", 2, -1])
def test_a_column_that_is_not_there_is_refused(column: str | int) -> None:
    with pytest.raises(ValueError, match=r"column .* is not among \['spent', 'orders'\]"):
        RatioFeatures([("spent", column)]).fit(FRAME)
    with pytest.raises(ValueError, match=r"column .* is not among \['spent', 'orders'\]"):
        RfmScores(reverse=[column]).fit(FRAME)


def test_features_have_names() -> None:
    ratio = RatioFeatures([("spent", "orders")]).fit(FRAME)
    assert ratio.get_feature_names_out().tolist() == ["spent/orders"]
    scores = RfmScores().fit(FRAME)
    assert scores.get_feature_names_out().tolist() == ["spent_score", "orders_score", "rfm_score"]
    counted = RfmScores().fit(FRAME.to_numpy())
    assert counted.get_feature_names_out().tolist() == ["x0_score", "x1_score", "rfm_score"]


def test_scores_are_quintiles() -> None:
    column = np.arange(1.0, 11.0).reshape(-1, 1)
    fitted = RfmScores().fit(column)
    # Position q (n - 1) among 1 to 10: 1 + 0.2 x 9, and so on.
    np.testing.assert_allclose(fitted.edges_, [[2.8, 4.6, 6.4, 8.2]])
    assert fitted.transform(column)[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_reversed_column_scores_high_where_it_is_small() -> None:
    days = pd.DataFrame({"recency": np.arange(1.0, 11.0), "frequency": np.arange(1.0, 11.0)})
    scores = RfmScores(reverse=["recency"]).fit_transform(days)
    assert scores[:, 0].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert scores[:, 2].tolist() == [6] * 10  # the sum of both


def test_edges_are_those_of_the_training_rows() -> None:
    fitted = RfmScores().fit(np.arange(1.0, 11.0).reshape(-1, 1))
    assert fitted.transform([[-100.0], [5.0], [1e9]])[:, 0].tolist() == [1, 3, 5]


def test_a_value_on_an_edge_scores_as_those_below() -> None:
    fitted = RfmScores(n_scores=2).fit([[1.0], [2.0], [3.0]])  # the only edge is the median
    assert fitted.transform([[1.9], [2.0], [2.1]])[:, 0].tolist() == [1, 1, 2]


def test_a_missing_value_has_no_score_and_no_sum() -> None:
    scores = RfmScores().fit_transform(FRAME)
    assert np.isnan(scores[2]).tolist() == [True, False, True]
    assert not np.isnan(scores[:2]).any()


def test_missing_values_move_no_edge() -> None:
    column = [*np.arange(1.0, 11.0), np.nan, np.nan]
    fitted = RfmScores().fit(np.array(column).reshape(-1, 1))
    np.testing.assert_allclose(fitted.edges_, [[2.8, 4.6, 6.4, 8.2]])


def test_a_column_without_values_can_be_learned_from() -> None:
    fitted = RfmScores().fit([[np.nan, 1.0], [np.nan, 2.0]])
    assert np.isnan(fitted.edges_[0]).all()
    assert np.isnan(fitted.transform([[np.nan, 1.0]])[0, 0])


def test_a_single_score_is_refused() -> None:
    with pytest.raises(ValueError, match="n_scores must be at least 2, not 1"):
        RfmScores(n_scores=1).fit(FRAME)


@pytest.mark.parametrize("transformer", [RatioFeatures(), RfmScores()])
def test_a_transformer_that_has_not_learned_refuses_to_work(transformer: Any) -> None:
    with pytest.raises(NotFittedError):
        transformer.transform(FRAME)


def test_the_examples_in_the_docstrings_hold() -> None:
    done = doctest.testmod(features)
    assert done.attempted > 0
    assert done.failed == 0


def test_a_ratio_that_float32_does_not_hold_is_missing() -> None:
    ratios = RatioFeatures(pairs=[(0, 1)]).fit_transform([[1e30, -1 + 1e-12], [1e30, 0.0]])
    assert np.isnan(ratios[0, 0])
    assert ratios[1, 0] == 1e30
