"""Many differences are looked at together."""

from __future__ import annotations

import numpy as np
import pytest

from churn.evaluation.differences import Difference, Word
from churn.evaluation.many_looks import corrected, holm


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([], []),
        ([0.05], [True]),
        ([0.051], [False]),
        # 0.01 against 0.05 / 4, 0.0166 against 0.05 / 3, 0.03 against 0.05 / 2: it stops there.
        ([0.03, 0.01, 0.0166, 0.04], [False, True, True, False]),
        ([0.02, 0.02, 0.02], [False, False, False]),
    ],
)
def test_each_next_one_has_to_stand_out_among_fewer(p: list[float], expected: list[bool]) -> None:
    assert holm(p) == expected


def test_any_of_many_is_significant_by_chance_in_a_twentieth_of_cases() -> None:
    rng = np.random.default_rng(1)
    any_of_them = [any(holm(rng.random(50).tolist())) for _ in range(4000)]
    assert np.mean(any_of_them) == pytest.approx(0.05, abs=0.012)


def difference(p: float | None, word: Word | None) -> Difference:
    return Difference("roc_auc", 0.8, 0.7, -0.1, -0.2, -0.01, word, p)


def test_what_chance_could_have_done_is_inconclusive() -> None:
    families = [
        [difference(0.001, "worse"), difference(0.04, "better"), difference(None, None)],
        [difference(0.9, "inconclusive"), difference(1.0, "identical")],
    ]
    words = [[one.word for one in family] for family in corrected(families)]
    assert words == [["worse", "inconclusive", None], ["inconclusive", "identical"]]
