"""Which quantities are an alarm: above their limit in several windows, the newest among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from churn.monitor.results import Alarm, Measure, Window


def of_windows(windows: Sequence[Window], needed: int, of: int) -> Iterator[Alarm]:
    """Yield the alarms of a series of windows.

    Parameters
    ----------
    windows : sequence of Window
        Oldest first.
    needed, of : int
        A quantity is an alarm if it was above its limit in `needed` of the newest `of` windows that
        measure it, and in the newest of these. A single window, as of a file, is judged alone.
    """
    needed = 1 if len(windows) == 1 else needed
    series: dict[str, list[tuple[str, Measure]]] = {}
    for window in windows:
        for measure in window.measures:
            series.setdefault(measure.name, []).append((window.name, measure))
    for measured in series.values():
        newest = measured[-of:]
        where = [name for name, measure in newest if measure.is_over]
        if newest[-1][1].is_over and len(where) >= needed:
            yield alarm(newest[-1][1], where)


def settled(windows: Sequence[Window], once: Sequence[Measure], needed: int) -> list[str]:
    """Return the quantities whose alarm is over.

    Parameters
    ----------
    windows : sequence of Window
        Oldest first.
    once : sequence of Measure
        Measured for all windows together.
    needed : int
        A quantity has to be measured in each of so many newest windows, and to be above its limit
        in none: its alarm could not come back with the next window.
    """
    needed = 1 if len(windows) == 1 else needed
    names = {measure.name for measure in once if not measure.is_over}
    if len(newest := windows[-needed:]) == needed:
        calm = [{m.name for m in window.measures if not m.is_over} for window in newest]
        names |= set.intersection(*calm)
    return sorted(names)


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
