"""Which quantities are an alarm: above their limit in several windows, the newest among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from churn.monitor.results import Alarm, Kind, Measure, Window


def of_windows(windows: Sequence[Window], needed: int, of: int) -> Iterator[Alarm]:
    """Yield the alarms of a series of windows.

    Parameters
    ----------
    windows : sequence of Window
        Oldest first; those that are skipped do not count.
    needed, of : int
        An alarm needs `needed` of the newest `of` windows, and the newest one. A single window, as
        of a file, is judged alone.
    """
    judged = [window for window in windows if not window.skipped][-of:]
    if not judged:
        return
    needed = 1 if len(windows) == 1 else needed
    over = [{measure.name for measure in window.measures if measure.is_over} for window in judged]
    for measure in judged[-1].measures:
        where = [
            window.name for window, names in zip(judged, over, strict=True) if measure.name in names
        ]
        if measure.is_over and len(where) >= needed:
            yield alarm(measure, where)


def settled(windows: Sequence[Window], once: Sequence[Measure], needed: int) -> list[Kind]:
    """Return the kinds of which nothing is above its limit.

    Parameters
    ----------
    windows : sequence of Window
        Oldest first.
    once : sequence of Measure
        Measured for all windows together.
    needed : int
        Number of newest windows in which nothing may be above: an alarm is over when it could not
        come back the next day.
    """
    judged = [window for window in windows if not window.skipped][-needed:]
    measured = [*once, *(measure for window in judged for measure in window.measures)]
    above = {measure.kind for measure in measured if measure.is_over}
    return sorted({measure.kind for measure in measured} - above)


def alarm(measure: Measure, windows: list[str]) -> Alarm:
    """Return the alarm of a quantity that is above its limit."""
    return Alarm(
        kind=measure.kind,
        name=measure.name,
        column=measure.column,
        windows=windows,
        value=measure.value,
        limit=measure.limit,
        shown=measure.shown,
    )
