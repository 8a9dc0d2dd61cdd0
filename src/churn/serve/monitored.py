"""What `churn monitor` has measured last, on `/metrics` beside the server's own numbers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

FILE = "churn_monitor_file"
STATES = ("shown", "absent", "damaged")
_PREFIX = "churn_monitor_"
_MAX_BYTES = 1_000_000
_logger = logging.getLogger(__name__)


class Monitored(Collector):
    """The gauges of monitor.prom, read anew each time, and whether they could be.

    The worker that is asked reads the file, so that several workers do not add it up. Whatever is
    in the file, the server's own numbers are shown.

    Parameters
    ----------
    path : str or None
        None for no file.
    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else Path(path)
        self._reason = ""

    def collect(self) -> Iterator[Metric]:
        """Give the file's gauges, and `FILE`: 1 for the state that it is in."""
        if self._path is None:
            return
        found, families, reason = "shown", [], ""
        try:
            families = read(self._path)
        except FileNotFoundError:
            found = "absent"
        except Exception as error:  # the parser has many kinds of them
            found, reason = "damaged", f"{self._path} is not shown on /metrics: {error}"
        if reason and reason != self._reason:
            _logger.error("%s", reason)
        self._reason = reason
        yield from families
        states = GaugeMetricFamily(FILE, "The file of the monitor, by state.", labels=("state",))
        for state in STATES:
            states.add_metric((state,), float(state == found))
        yield states


def read(path: Path) -> list[Metric]:
    """Read the gauges of a file of the monitor.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not in Prometheus's text format, or has something else than gauges named
        ``churn_monitor_…``, which could stand for a number of the server.
    """
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES:,} bytes")
    families = list(text_string_to_metric_families(content.decode()))
    if not families:
        raise ValueError("it has no numbers")
    seen = set()
    for family in families:
        if family.type != "gauge" or not family.name.startswith(_PREFIX) or family.name == FILE:
            raise ValueError(f"{family.name} is no gauge of the monitor")
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            if sample.name != family.name or sample.timestamp is not None or key in seen:
                raise ValueError(f"{sample.name} with a time, a suffix, or twice")
            seen.add(key)
    return families
