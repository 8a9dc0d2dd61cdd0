"""A prediction log of any length as `churn serve` writes it, and the floor of `churn monitor`.

``monitoring.py write FOLDER ROWS``: the log of a week, by the version in Production.
``monitoring.py read FOLDER``: only read it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import measure

LOG_TARGET, MEMORY_TARGET = 3.0, 1.3
_DAYS, _FILE_ROWS = 7, 20_000
_FIRST = date(2026, 1, 5)
_LAST = _FIRST + timedelta(days=_DAYS - 1)


def write(folder: str, rows: str) -> None:
    """Write the log of a week; the files have as many rows as those of a busy server."""
    import pyarrow.parquet as pq

    from churn.core import params
    from churn.core.paths import Workspace
    from churn.data import synthesize
    from churn.model.card import ModelCard
    from churn.registry import Registry
    from churn.registry.loading import load_model
    from churn.serve.prediction_log import Entry, table
    from churn.serve.rows import from_frame

    root = Path()
    settings = params.load(Workspace(root).params)
    champion = Registry(root, settings.release).production()
    if champion is None:
        sys.exit("nothing is in Production")
    model = load_model(f"models:/{settings.release.model}/{champion.number}", root)
    card: ModelCard = model.card

    # Some for each day: a day without would be an alarm.
    size = min(_FILE_ROWS, int(rows) // (4 * _DAYS))

    def files() -> Iterator[Entry]:
        for chunk in synthesize.customers(int(rows), seed=77):
            for start in range(0, len(chunk), size):
                customers = chunk.slice(start, size).to_pandas()
                predicted = model.predict(customers)
                count = len(customers)
                yield Entry(
                    requests=[f"request-{start}-{i:06}" for i in range(count)],
                    moments=[float(i) / count for i in range(count)],
                    latencies_ms=[2.0] * count,
                    scoring_ms=1.0,
                    counts=[1] * count,
                    places=None,
                    rows=from_frame(model, customers),
                    answer={name: predicted[name].to_numpy() for name in predicted},
                    card=card,
                    version=str(champion.number),
                    role="champion",
                )

    for number, entry in enumerate(files()):
        day = _FIRST + timedelta(days=number % _DAYS)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
        entry.moments[:] = [noon + moment for moment in entry.moments]  # type: ignore[index]
        target = Path(folder) / f"day={day}"
        target.mkdir(parents=True, exist_ok=True)
        content = table([entry], card, frozenset())
        pq.write_table(content, target / f"{number:06}.parquet", compression="zstd")


def read(folder: str) -> None:
    """Read the log into a frame."""
    from churn.serve import log_reading

    log_reading.read(folder, datetime(2020, 1, 1, tzinfo=UTC))


def compare(folder: Path, rows: int) -> tuple[dict[int, measure.Usage], measure.Usage]:
    """Measure `churn monitor` on logs of a tenth of the rows, of all, and of ten times as many.

    Returns
    -------
    dict of int to Usage
        By number of rows.
    Usage
        Of reading the log with all the rows.
    """
    here, usages = str(Path(__file__).resolve()), {}
    for size in (rows // 10, rows, 10 * rows):
        log = folder / f"log-{size}"
        measure.run([sys.executable, here, "write", str(log), str(size)], folder)
        # Synthetic customers are those that the model was trained on: there is no alarm.
        usages[size] = measure.run(
            ["churn", "monitor", "--log", str(log), "--until", str(_LAST)], folder
        )
    floor = measure.run([sys.executable, here, "read", str(folder / f"log-{rows}")], folder)
    return usages, floor


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
