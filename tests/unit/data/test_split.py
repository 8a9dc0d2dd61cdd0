"""The split by a hash of the customer id."""

from __future__ import annotations

from fractions import Fraction
from hashlib import blake2b

import numpy as np
import pandas as pd
import pytest

from churn.data.split import hash_share, is_test, sampled

IDS = pd.Series([f"C{number:05d}" for number in range(10_000)])


def test_an_id_s_place_is_its_keyed_hash_read_as_a_fraction() -> None:
    for customer in ("C00001", "Ä 7", ""):
        digest = blake2b(customer.encode(), key=b"churn", digest_size=8).digest()
        exact = Fraction(int.from_bytes(digest, "big"), 2**64)
        place = hash_share(pd.Series([customer]), "churn")[0]
        assert 0 <= exact - Fraction(place) < Fraction(1, 2**53)


def test_ids_are_placed_evenly() -> None:
    places = hash_share(IDS, "churn")
    assert places.min() >= 0
    assert places.max() < 1
    # Each tenth holds 1,000 of 10,000; five standard deviations are 5 sqrt(10,000 x 0.1 x 0.9).
    assert np.abs(np.histogram(places, 10, (0, 1))[0] - 1000).max() < 150


def test_an_id_keeps_its_side_when_the_table_grows_shrinks_or_is_sorted() -> None:
    whole = pd.Series(is_test(IDS, 0.2, "churn"), index=IDS)
    part = IDS.sample(500, random_state=1)
    np.testing.assert_array_equal(is_test(part, 0.2, "churn"), whole[part])


@pytest.mark.parametrize(("smaller", "larger"), [(0.01, 0.2), (0.2, 0.21), (0.5, 0.99)])
def test_a_larger_share_keeps_everyone_who_was_held_out(smaller: float, larger: float) -> None:
    before, after = is_test(IDS, smaller, "churn"), is_test(IDS, larger, "churn")
    assert after[before].all()
    assert after.sum() > before.sum()


def test_the_share_is_held_out() -> None:
    # Five standard deviations of a share of 10,000: 5 sqrt(0.2 x 0.8 / 10,000) = 0.02.
    assert is_test(IDS, 0.2, "churn").mean() == pytest.approx(0.2, abs=0.02)


def test_another_salt_holds_out_others_independently() -> None:
    one, other = is_test(IDS, 0.5, "churn"), is_test(IDS, 0.5, "autumn")
    assert (one & other).mean() == pytest.approx(0.25, abs=0.025)


def test_the_same_id_twice_stands_on_one_side() -> None:
    twice = is_test(pd.concat([IDS, IDS]), 0.3, "churn")
    np.testing.assert_array_equal(twice[:10_000], twice[10_000:])


def test_a_sample_has_its_size_and_keeps_who_was_in_a_smaller_one() -> None:
    small, large = sampled(IDS, 1000), sampled(IDS, 3000)
    assert (small.sum(), large.sum()) == (1000, 3000)
    assert large[small].all()
    assert sampled(IDS, None).all() and sampled(IDS, 10_000).all()


def test_a_sample_does_not_depend_on_the_order_and_nearly_not_on_others() -> None:
    whole = set(IDS[sampled(IDS, 1000)])
    shuffled = IDS.sample(frac=1, random_state=1)
    assert set(shuffled[sampled(shuffled, 1000)]) == whole
    more = pd.concat([IDS, IDS.head(500) + "X"])
    kept = whole & set(more[sampled(more, 1000)])
    assert 900 < len(kept) < 1000


def test_a_sample_is_independent_of_who_is_held_out() -> None:
    held_out, chosen = is_test(IDS, 0.5, "churn"), sampled(IDS, 5000)
    assert (held_out & chosen).mean() == pytest.approx(0.25, abs=0.025)
