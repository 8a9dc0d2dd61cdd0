"""Numbers as files keep them: with as many digits as mean something."""

from __future__ import annotations


def significant(value: float, digits: int) -> float:
    """Round to a number of significant digits.

    Examples
    --------
    >>> significant(1234.5678, 6)
    1234.57
    """
    return float(f"{value:.{digits}g}")
