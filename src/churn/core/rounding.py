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


def decimals(value: float, digits: int) -> float:
    """Round to a number of decimals, but a number below 1 to as many significant digits.

    For numbers of any unit: those of a small one would all be 0.

    Examples
    --------
    >>> decimals(1234.5678, 2), decimals(0.00012345, 2)
    (1234.57, 0.00012)
    """
    return round(value, digits) if abs(value) >= 1 else significant(value, digits)


def shown(value: float, digits: int, sign: str = "") -> str:
    """Write a number with so many decimals; if they would all be 0, with two digits.

    Examples
    --------
    >>> shown(12.3456, 3), shown(0.000123, 3), shown(0.0, 3), shown(-0.00001, 4, "+")
    ('12.346', '0.00012', '0.000', '-1e-05')
    """
    text = f"{value:{sign}.{digits}f}"
    return text if value == 0 or float(text) != 0 else f"{value:{sign}.2g}"
