"""Correction for multiple comparisons: of many differences, some look significant by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from churn.evaluation.bootstrap import LEVEL
from churn.evaluation.differences import Difference


def holm(p: Sequence[float], level: float = 1 - LEVEL) -> list[bool]:
    """Tell which of several p-values are significant, by Holm's procedure.

    The probability that any is significant by chance is at most `level`, whatever their dependence.

    Parameters
    ----------
    p : sequence of float
        In [0, 1].
    level : float, default=0.05

    Returns
    -------
    list of bool

    Notes
    -----
    Source: Holm, S. (1979), A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
    Journal of Statistics 6 (2).
    """
    order = np.argsort(p, kind="stable")
    significant = np.zeros(len(p), dtype=bool)
    for rank, place in enumerate(order):
        if p[place] > level / (len(p) - rank):
            break
        significant[place] = True
    return significant.tolist()


def corrected(families: Sequence[Sequence[Difference]]) -> list[list[Difference]]:
    """Keep the words "better" and "worse" only for differences that are significant together.

    Parameters
    ----------
    families : sequence of sequence of Difference
        All differences that are tested together, such as the metrics of each slice.

    Returns
    -------
    list of list of Difference
        The same differences, with the word "inconclusive" for those that are not significant.
    """
    p = [difference.p for family in families for difference in family if difference.p is not None]
    significant = iter(holm(p))

    def correct(difference: Difference) -> Difference:
        is_significant = difference.p is not None and next(significant)
        if difference.word in ("better", "worse") and not is_significant:
            return replace(difference, word="inconclusive")
        return difference

    return [[correct(difference) for difference in family] for family in families]
