"""Intervals that hold at all looks at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import logsumexp

from churn.evaluation import always_valid
from churn.evaluation.always_valid import ConfidenceSequence, bounded, unpaired
from tests.exhaustive import rest_by_night

COST = 5.0
CLIP = 0.01
LIMIT = np.log(1 / CLIP - 1)
LOOKS = 10_000
Draw = Callable[[np.random.Generator], np.ndarray]
Method = Callable[..., ConfidenceSequence]


# Customers, of whom a fifth churn, and two equally good models with scores of which most is common.


def scores(rng: np.random.Generator, common: float = 0.9) -> tuple[np.ndarray, ...]:
    y = rng.random(LOOKS) < 0.2
    shared = np.sqrt(common) * rng.normal(size=LOOKS)
    both = 1.4 * y + shared + np.sqrt(1 - common) * rng.normal(size=(2, LOOKS))
    return y, *(np.log(0.25) - 1.4**2 / 2 + 1.4 * both)


def costs(y: np.ndarray, logit: np.ndarray, threshold: float = 1 / 6) -> np.ndarray:
    churn = logit >= np.log(threshold / (1 - threshold))
    return np.where(y, COST * ~churn, 1.0 * churn)


def log_losses(y: np.ndarray, logit: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, np.where(y, -logit, logit))


def clipped_losses(y: np.ndarray, logit: np.ndarray) -> np.ndarray:
    return log_losses(y, np.clip(logit, -LIMIT, LIMIT))


def paired_costs(common: float) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        y, one, other = scores(rng, common)
        return costs(y, one) - costs(y, other)

    return draw


def thresholds(rng: np.random.Generator) -> np.ndarray:
    """Draw one model with two thresholds that cost the same: many small losses, few large gains."""
    y, one, other = scores(rng)
    return costs(y, one, 0.26065) - costs(y, other, 0.1)


def clipped(rng: np.random.Generator) -> np.ndarray:
    y, one, other = scores(rng)
    return clipped_losses(y, 3 * one) - clipped_losses(y, 3 * other)


def event(share: float) -> Draw:
    return lambda rng: (rng.random(LOOKS) < share) - share


def unpaired_costs(share: float) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        y, one, _ = scores(rng)
        return unpaired(costs(y, one), rng.random(LOOKS) < share, share, COST)

    return draw


def within(least: float, greatest: float) -> Method:
    return lambda d, **kwargs: bounded(d, least, greatest, **kwargs)


# In each of them the mean is 0.
NULL: dict[str, tuple[Method, Draw]] = {
    "paired costs": (within(-COST, COST), paired_costs(0.9)),
    "paired costs, few differ": (within(-COST, COST), paired_costs(0.99)),
    "thresholds of equal cost": (within(-COST, COST), thresholds),
    "clipped log losses": (within(-LIMIT, LIMIT), clipped),
    "an event of 2 %": (within(-0.02, 0.98), event(0.02)),
    "unpaired costs": (within(-COST / 0.5, COST / 0.5), unpaired_costs(0.5)),
    "unpaired costs, one in ten": (within(-COST / 0.9, COST / 0.1), unpaired_costs(0.1)),
}
HARD_TO_TELL = ("paired costs", "thresholds of equal cost", "clipped log losses", "unpaired costs")


def false_stops(method: Method, draw: Draw, repeats: int, looks: np.ndarray | None = None) -> float:
    rng = np.random.default_rng(1)
    sequences = (method(draw(rng), looks=looks) for _ in range(repeats))
    return float(np.mean([bool(((s.lower > 0) | (s.upper < 0)).any()) for s in sequences]))


def usual(d: np.ndarray, looks: np.ndarray | None = None) -> ConfidenceSequence:
    """Compute the 95% interval for a number of customers that is fixed beforehand."""
    n = np.arange(1, len(d) + 1) if looks is None else looks
    mean = np.cumsum(d)[n - 1] / n
    radius = 1.96 * np.sqrt((np.cumsum(d**2)[n - 1] / n - mean**2) / n)
    return ConfidenceSequence(n, mean, mean - radius, mean + radius)


@pytest.mark.slow
@pytest.mark.parametrize("case", HARD_TO_TELL)
def test_equal_models_are_told_apart_in_at_most_a_twentieth_of_cases(case: str) -> None:
    looks = np.unique(np.geomspace(10, LOOKS, 100).astype(int))
    assert false_stops(*NULL[case], repeats=100, looks=looks) <= 0.05


@pytest.mark.long
@pytest.mark.parametrize("case", rest_by_night(NULL, ["clipped log losses"]))
def test_they_are_also_if_looked_at_after_each_customer(case: str) -> None:
    assert false_stops(*NULL[case], repeats=400) <= 0.05


@pytest.mark.parametrize("case", HARD_TO_TELL)
def test_the_usual_interval_fails_that_test_with_a_look_a_day(case: str) -> None:
    daily = np.arange(100, LOOKS + 1, 100)
    assert false_stops(usual, NULL[case][1], repeats=100, looks=daily) > 0.25


# Models of which one is worse: its score tells the classes apart by a fifth less.


def unequal(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    y, one, other = scores(rng)
    blurred = (one - np.log(0.25) + 1.4**2 / 2) / 1.4 - 0.28 * y
    return y, np.log(0.25) - 1.12**2 / 2 + 1.12 * blurred, other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "loss", "customers"),
    [(within(-COST, COST), costs, 2000), (within(-LIMIT, LIMIT), clipped_losses, 2000)],
)
def test_a_real_difference_is_found(
    method: Method, loss: Callable[..., np.ndarray], customers: int
) -> None:
    rng = np.random.default_rng(1)
    last = np.array([customers])
    drawn = [loss(y, one) - loss(y, other) for y, one, other in (unequal(rng) for _ in range(100))]
    words = [method(d, looks=last).decisions()[0] for d in drawn]
    assert words.count("worse") >= 80
    assert [method(-d, looks=last).decisions()[0] for d in drawn].count("better") >= 80


@pytest.mark.slow
def test_it_is_found_if_each_customer_is_answered_by_one_model() -> None:
    rng = np.random.default_rng(1)
    words = []
    for _ in range(100):
        challenger = rng.random(LOOKS) < 0.5
        y, one, other = unequal(rng)
        loss = np.where(challenger, costs(y, one), costs(y, other))
        d = unpaired(loss, challenger, 0.5, COST)
        words += bounded(d, -10, 10, looks=np.array([LOOKS])).decisions()
    assert words.count("worse") >= 80


# The values.

PRICES = np.random.default_rng(5).choice(
    [-5.0, -1, 0, 1, 5], 3000, p=[0.02, 0.05, 0.83, 0.06, 0.04]
)
SOME = np.array([1, 2, 30, 400, 3000])


def test_a_bound_of_costs_is_where_the_average_capital_is_40() -> None:
    found = bounded(PRICES, -5, 8, looks=SOME)

    def capital(mean: float, n: int, sign: int, largest: float) -> float:
        stakes = sign * always_valid._STAKES / largest
        capitals = np.log((1 + stakes * PRICES[:n]) / (1 + stakes * mean)).sum(axis=1)
        return float(logsumexp(capitals) - np.log(len(stakes)) - np.log(40))

    def end(n: int, sign: int, largest: float) -> float:
        limit = -sign * largest
        if capital(limit, n, sign, largest) < 0:
            return limit
        return float(brentq(capital, -5, 8, (n, sign, largest), xtol=1e-13))

    for n, lower, upper in zip(SOME, found.lower, found.upper, strict=True):
        assert (lower, upper) == pytest.approx((end(n, 1, 5), end(n, -1, 8)), rel=1e-9)


def test_unpaired_losses_are_divided_by_the_probability_of_their_model() -> None:
    d = unpaired(np.array([3.0, 1, 5, 0]), np.array([True, False, False, True]), 0.25, np.inf)
    np.testing.assert_allclose(d, [3 / 0.25, (3 - 1) / 0.75, (2 - 5) / 0.75, (0 - 3) / 0.25])
    capped = unpaired(np.array([4.0, 1]), np.array([True, False]), 0.25, largest=4)
    np.testing.assert_allclose(capped, [16, 0])


def test_their_mean_is_the_difference_of_the_means() -> None:
    rng = np.random.default_rng(3)
    challenger = rng.random(400_000) < 0.2
    loss = np.where(challenger, 2.5, 2.0) + rng.random(400_000)
    assert unpaired(loss, challenger, 0.2, np.inf).mean() == pytest.approx(0.5, abs=0.01)


def test_unpaired_losses_keep_the_limits_that_are_promised() -> None:
    rng = np.random.default_rng(4)
    for share in (0.05, 0.5, 0.8):
        loss = np.where(rng.random(1000) < 0.5, COST, 0)
        d = unpaired(loss, rng.random(1000) < share, share, COST)
        bounded(d, -COST / (1 - share), COST / share)


# Properties.

SMALL = st.lists(st.floats(-1, 1), min_size=1, max_size=60).map(np.array)


@given(SMALL, st.floats(0.001, 0.9))
@settings(deadline=None)
def test_an_interval_contains_the_mean_and_is_within_the_limits(
    d: np.ndarray, alpha: float
) -> None:
    found = bounded(d, -1, 1.5, alpha=alpha)
    assert (found.lower >= -1).all() and (found.upper <= 1.5).all()
    assert (found.lower <= found.mean).all() and (found.mean <= found.upper).all()
    np.testing.assert_allclose(found.mean, np.cumsum(d) / found.n, atol=1e-12)


@pytest.mark.slow
@given(SMALL, st.floats(0.01, 100))
@settings(deadline=None)
def test_a_scale_changes_nothing_else(d: np.ndarray, scale: float) -> None:
    found, scaled = bounded(d, -1, 1), bounded(d * scale, -scale * 1.001, scale * 1.001)
    np.testing.assert_allclose(scaled.lower, found.lower * scale, atol=0.02 * scale)


@pytest.mark.slow
@given(SMALL)
@settings(deadline=None)
def test_with_the_sides_exchanged_the_ends_are(d: np.ndarray) -> None:
    np.testing.assert_array_equal(bounded(d, -1, 2).lower, -bounded(-d, -2, 1).upper)


def test_what_comes_later_changes_no_earlier_look() -> None:
    method = within(-5, 5)
    whole, start = method(PRICES), method(PRICES[:500])
    for name in ("n", "mean", "lower", "upper"):
        np.testing.assert_array_equal(getattr(whole, name)[:500], getattr(start, name))
    last = method(PRICES, looks=np.array([3000]))
    assert (last.lower[0], last.upper[0]) == (whole.lower[-1], whole.upper[-1])


def test_more_customers_narrow_it_and_more_certainty_widens_it() -> None:
    method = within(-5, 5)
    d = np.tile([1.0, -1, 0, 0, 5, -5], 20_000)
    looks = np.array([120, 1200, 12_000, 120_000])
    found, surer = method(d, looks=looks), method(d, alpha=0.01, looks=looks)
    width = found.upper - found.lower
    assert (np.diff(width) < 0).all()
    assert (surer.upper - surer.lower > width).all()
    assert width[-1] < 0.1


def test_costs_that_never_differ_become_non_inferior() -> None:
    words = bounded(np.zeros(5000), -5, 5).decisions(margin=0.03)
    assert words == sorted(words) and set(words) == {"inconclusive", "non-inferior"}


def test_the_words() -> None:
    lower = np.array([-3.0, -3, -1, 0.5, 0.5, 1.1, -np.inf])
    upper = np.array([-0.1, 0.0, 1.0, 1.0, 2.0, 2.0, np.inf])
    found = ConfidenceSequence(np.arange(7), np.zeros(7), lower, upper)
    assert found.decisions(margin=1) == [
        "better",
        "non-inferior",
        "non-inferior",
        "non-inferior",
        "inconclusive",
        "worse",
        "inconclusive",
    ]
    assert found.decisions()[3:5] == ["worse", "worse"]
    for margin in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="margin"):
            found.decisions(margin)


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounded(np.array([]), -1, 1), "at least one"),
        (lambda: bounded(np.ones((2, 2)), -1, 1), "at least one"),
        (lambda: bounded(np.array([0, np.nan]), -1, 1), "customer 1 is not finite"),
        (lambda: bounded(np.array([np.inf, 0]), -1, 1), "customer 0 is not finite"),
        (lambda: bounded(2 * ONES, -1, 1), "exceed"),
        (lambda: bounded(ONES, 0, 1), "limits"),
        (lambda: bounded(ONES, -np.inf, 1), "limits"),
        (lambda: bounded(ONES, -1, 1, alpha=0), "alpha"),
        (lambda: bounded(ONES, -1, 1, alpha=np.nan), "alpha"),
        (lambda: bounded(ONES, -1, 1, looks=np.array([0])), "looks"),
        (lambda: bounded(ONES, -1, 1, looks=np.array([4])), "looks"),
        (lambda: bounded(ONES, -1, 1, looks=np.array([1.5])), "looks"),
        (lambda: unpaired(ONES, ONES, 0.5, 1), "booleans"),
        (lambda: unpaired(ONES, np.array([True]), 0.5, 1), "booleans"),
        (lambda: unpaired(ONES, ONES > 0, 1, 1), "share"),
        (lambda: unpaired(-ONES, ONES > 0, 0.5, 1), "exceed"),
        (lambda: unpaired(ONES, ONES > 0, 0.5, largest=0.5), "exceed"),
    ],
)
def test_what_has_no_answer_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
