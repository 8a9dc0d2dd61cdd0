"""Whom the challenger predicts for."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from churn.serve.assignment import to_challenger

IDS = [f"C{number:06}" for number in range(20_000)]
SHARES = [0.001, 0.01, 0.1, 0.2, 0.5, 0.9]


def chosen(share: float, salt: str = "4", ids: list[str | None] | None = None) -> np.ndarray:
    these = IDS if ids is None else ids
    return to_challenger(these, len(these), share, salt)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("salt", ["1", "4", "a salt"])
def test_its_share_of_the_customers_is_right(share: float, salt: str) -> None:
    spread = math.sqrt(share * (1 - share) / len(IDS))
    assert chosen(share, salt).mean() == pytest.approx(share, abs=4 * spread)


def test_nobody_and_everybody_can_be_chosen() -> None:
    assert not chosen(0.0).any()
    assert chosen(1.0).all()


@pytest.mark.slow
def test_who_is_in_stays_in_when_the_share_grows() -> None:
    for one, more in itertools.pairwise(SHARES):
        assert chosen(more)[chosen(one)].all()
        assert chosen(more).sum() > chosen(one).sum()


def test_salts_choose_independently() -> None:
    one, other = chosen(0.2, "4"), chosen(0.2, "5")
    spread = math.sqrt(0.04 * 0.96 / len(IDS))
    assert (one & other).mean() == pytest.approx(0.04, abs=4 * spread)


def test_numbers_as_ids_are_spread_as_well() -> None:
    ids = [str(number) for number in range(5000)]
    assert chosen(0.3, ids=[*ids]).mean() == pytest.approx(0.3, abs=0.03)


def test_a_customer_is_chosen_whoever_else_is_asked_about() -> None:
    expected = chosen(0.3)
    order = np.random.default_rng(1).permutation(len(IDS))
    shuffled = [IDS[place] for place in order]
    np.testing.assert_array_equal(chosen(0.3, ids=[*shuffled]), expected[order])
    for place in range(50):
        assert chosen(0.3, ids=[IDS[place]]).tolist() == [expected[place]]
        assert chosen(0.3, ids=[None, IDS[place], "x"])[1] == expected[place]


def test_ids_of_any_letters_are_chosen() -> None:
    assert len(chosen(0.5, ids=["", "Äğ", "\x00", "x" * 10_000])) == 4


def test_customers_without_an_id_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [None, IDS[0], None, IDS[1]]
    by_id = [chosen(0.3, ids=[one])[0] for one in IDS[:2]]
    for drawn in (0.29, 0.3):
        monkeypatch.setattr("churn.serve.assignment.random.random", lambda drawn=drawn: drawn)
        is_in = drawn < 0.3
        assert to_challenger(None, 3, 0.3, "4").tolist() == [is_in] * 3
        assert chosen(0.3, ids=[None, None]).tolist() == [is_in] * 2
        assert chosen(0.3, ids=[*ids]).tolist() == [is_in, by_id[0], is_in, by_id[1]]


def test_requests_without_ids_are_drawn_at_the_share() -> None:
    drawn = [to_challenger(None, 1, 0.3, "4")[0] for _ in range(3000)]
    assert np.mean(drawn) == pytest.approx(0.3, abs=0.05)
