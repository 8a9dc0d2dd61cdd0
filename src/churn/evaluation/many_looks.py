"""Many differences are looked at, and some would seem to be one by chance alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from churn.evaluation.comparison import LEVEL, Difference


def holm(p: Sequence[float], level: float = 1 - LEVEL) -> list[bool]:
    """Tell which of several p-values are significant when they are looked at together.

    The probability that any of them is significant by chance is at most `level`, however they hang
    together.

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
    """Call nothing better or worse that does not stand out among all that are looked at together.

    Parameters
    ----------
    families : sequence of sequence of Difference
        What is looked at together, such as the metrics of each slice.

    Returns
    -------
    list of list of Difference
        The same with the word "inconclusive" where chance could have done it.
    """
    known = [one.p for family in families for one in family if one.p is not None]
    found = iter(holm(known))

    def told(one: Difference) -> Difference:
        stands_out = one.p is not None and next(found)
        is_claim = one.word in ("better", "worse")
        return replace(one, word="inconclusive") if is_claim and not stands_out else one

    return [[told(one) for one in family] for family in families]
