"""What a newest table has to keep of today's (pure functions)."""

from __future__ import annotations

import math
from statistics import NormalDist

import pandas as pd
from scipy.stats import chi2

from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.data import targets

# Of tables whose churn rate has shifted by exactly the limit, 1 in 2,000 is refused by chance.
_RARELY = 0.0005
_NOISE = NormalDist().inv_cdf(1 - _RARELY)


def require_rows(rows: int, today: int, min_share: float) -> None:
    """Check that a table has not lost too many rows.

    Parameters
    ----------
    rows, today : int
        Rows of the newest table, and of today's.
    min_share : float
        Minimum share of today's rows, in [0, 1].

    Raises
    ------
    DataError
        If it has.
    """
    if rows < min_share * today:
        raise DataError(
            f"{rows:,} rows, {rows / today:.0%} of today's {today:,}; if that is right, lower"
            f" data.min_share in params.yaml ({min_share:g})"
        )


def label_range(rate: float, today: int, rows: int, max_shift: float) -> tuple[float, float]:
    """Return the label rates that a newest table may have.

    A shift is measured by Cohen's h, the difference of 2 arcsin(sqrt(rate)): unlike a difference of
    rates it means as much at 2 % as at 50 %. Of a sample of n rows, that number has the variance
    1 / n, whatever the rate. So the limit is the shift that matters, plus what chance adds to it in
    tables of these sizes.

    Parameters
    ----------
    rate : float
        Label rate of today's table, in [0, 1].
    today, rows : int
        Rows of today's table, and of the newest.
    max_shift : float
        The largest shift that does not matter, as Cohen's h in (0, pi].

    Returns
    -------
    tuple of float
        The lowest and the highest rate, in [0, 1].

    References
    ----------
    Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences, 2nd ed., ch. 6.

    Examples
    --------
    >>> [round(limit, 3) for limit in label_range(0.25, 10_000, 10_000, 0.2)]
    [0.149, 0.366]
    """
    reach = max_shift + _NOISE * math.sqrt(1 / today + 1 / rows)
    angle = 2 * math.asin(math.sqrt(rate))
    lowest, highest = max(0.0, angle - reach), min(math.pi, angle + reach)
    return math.sin(lowest / 2) ** 2, math.sin(highest / 2) ** 2


def require_target(before: pd.Series, after: pd.Series, data: DataParams) -> None:
    """Check that the target of the newest table is distributed as today's.

    Two labels by `require_label_rate`; numbers by the difference of their means in standard
    deviations (Cohen's d); several classes by Cohen's w, the root of the sum of
    ``(share - today's)^2 / today's``. Each may exceed `data.max_label_shift` by what chance does.

    Parameters
    ----------
    before, after : Series
        As `churn.data.targets.encoded` returns them.
    data : DataParams

    Raises
    ------
    DataError
        If it is not, or if today's table lacks a class or has one number only.
    """
    most, sizes = data.max_label_shift, (len(before), len(after))
    if data.positive is not None:
        rates = float(before.mean()), float(after.mean())
        require_label_rate(rates[1], sizes[1], rates[0], sizes[0], most)
        return
    if problem := targets.problem(before.to_numpy(), data.classes):
        raise DataError(
            f"in today's table {problem}, so there is nothing to compare with; put this table into"
            " data/ by hand, in one change with params.yaml"
        )
    chance = 1 / sizes[0] + 1 / sizes[1]
    if data.classes:
        today, now = targets.shares(before, data), targets.shares(after, data)
        shift = math.sqrt(sum((now[name] - today[name]) ** 2 / today[name] for name in today))
        noise = math.sqrt(chance * float(chi2.isf(_RARELY, len(today) - 1)))
        what = ", ".join(f"{name} {now[name]:.1%} (today {today[name]:.1%})" for name in today)
    else:
        means, spread = (float(before.mean()), float(after.mean())), float(before.std())
        noise = _NOISE * math.sqrt(chance)
        shift = abs(means[1] - means[0]) / spread
        what = f"{data.target} is {means[1]:.4g} on average, {means[0]:.4g} in today's table"
    if shift > most + noise:
        raise DataError(
            f"{what}, so the labels may be wrong or incomplete (a shift of {shift:.2g}, and"
            f" {most + noise:.2g} would be accepted); if they are right, raise data.max_label_shift"
            f" in params.yaml ({most:g})"
        )


def require_label_rate(
    rate: float, rows: int, today_rate: float, today: int, max_shift: float
) -> None:
    """Check that the share of churned customers is not another one.

    Parameters
    ----------
    rate, today_rate : float
        Label rates of the newest table, and of today's.
    rows, today : int
        Their rows.
    max_shift : float
        See `label_range`.

    Raises
    ------
    DataError
        If it is.
    """
    lowest, highest = label_range(today_rate, today, rows, max_shift)
    if not lowest <= rate <= highest:
        raise DataError(
            f"{rate:.1%} have churned, {today_rate:.1%} in today's table, so the labels may be"
            f" wrong or incomplete ({lowest:.1%} to {highest:.1%} would be accepted); if they are"
            f" right, raise data.max_label_shift in params.yaml ({max_shift:g})"
        )
