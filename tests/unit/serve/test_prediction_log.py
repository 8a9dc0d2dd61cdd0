"""The log of what was predicted, for whom."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from churn.core.errors import ParamsError
from churn.model.artifact import Model
from churn.model.card import ModelCard
from churn.serve import metrics, prediction_log
from churn.serve.prediction_log import Entry, PredictionLog, table
from churn.serve.rows import Rows, from_frame

NOON = datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp()
Make = Callable[..., Entry]


@pytest.fixture(scope="module")
def make(dated: Model, rich: pd.DataFrame) -> Make:
    def entry(
        count: int = 3, first: int = 0, request: str = "r7", moment: float = NOON, **given: Any
    ) -> Entry:
        rows = from_frame(dated, rich.iloc[first : first + count])
        usual: dict[str, Any] = {
            "requests": [request],
            "moments": [moment],
            "latencies_ms": [1.5],
            "scoring_ms": 0.5,
            "counts": [count],
            "places": None,
            "rows": rows,
            "answer": {
                "probability": np.linspace(0.1, 0.9, count),
                "prediction": np.arange(count) % 2,
            },
            "card": dated.card,
            "version": "3",
            "role": "champion",
        }
        return Entry(**{**usual, **given})

    return entry


def of_card(card: ModelCard, **cells: Any) -> Entry:
    numbers = np.array([[cells[name] for name in (*card.numeric, *card.dates)]])
    rows = Rows(numbers, {name: [cells[name]] for name in card.categorical}, ["C7"])
    answer = {"probability": np.array([0.5]), "prediction": np.array([1])}
    return Entry(["r7"], [NOON], [1.0], 0.5, [1], None, rows, answer, card, "3", "champion")


def counted(name: str, **labels: str) -> float:
    return metrics.collected(None).get_sample_value(name, labels) or 0.0


def dropped(reason: str) -> float:
    return counted("churn_log_dropped_rows_total", reason=reason)


def opened(folder: Path, **given: Any) -> PredictionLog:
    usual: dict[str, Any] = {"flush_s": 60, "max_rows": 1000, "redact": ()}
    return PredictionLog(str(folder), **{**usual, **given})


def until(happens: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)


def files(folder: Path) -> list[Path]:
    """Return what a reader finds: not the hidden file that is being written."""
    return sorted(path for path in folder.rglob("[!.]*") if path.is_file())


def test_the_columns_have_their_types(make: Make, dated: Model) -> None:
    found = table([make()], dated.card, frozenset())
    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    assert {field.name: field.type for field in found.schema} == {
        "request_id": pa.string(),
        "time": moment,
        "row": pa.int32(),
        "customer_id": pa.string(),
        **dict.fromkeys(dated.card.numeric, pa.float64()),
        "signup": moment,
        "plan": text,
        "channel": text,
        "probability": pa.float64(),
        "prediction": pa.int8(),
        "version": text,
        "role": text,
        "latency_ms": pa.float32(),
        "scoring_ms": pa.float32(),
    }


def test_the_cells_are_those_of_the_customers(make: Make, dated: Model, rich: pd.DataFrame) -> None:
    one = make(9, places=np.arange(9) * 2)
    two = make(2, first=9, request="r8", version="4", role="shadow", moment=NOON + 0.25)
    found = table([one, two], dated.card, frozenset()).to_pandas()
    first = rich.head(11)
    for name in ("customer_id", *dated.card.inputs):
        expected = first[name].astype(object).where(first[name].notna(), None)
        cells = found[name].astype(object).where(found[name].notna(), None)
        assert cells.tolist() == expected.tolist(), name
    assert found["row"].tolist() == [*range(0, 18, 2), 0, 1]
    assert found["request_id"].tolist() == ["r7"] * 9 + ["r8"] * 2
    assert found["version"].tolist() == ["3"] * 9 + ["4"] * 2
    assert found["role"].tolist() == ["champion"] * 9 + ["shadow"] * 2
    assert found["prediction"].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert found["time"].iloc[0].isoformat() == "2026-02-28T12:00:00+00:00"
    assert found["time"].iloc[-1].isoformat() == "2026-02-28T12:00:00.250000+00:00"
    np.testing.assert_array_equal(
        found["probability"], np.concatenate([one.answer["probability"], two.answer["probability"]])
    )


def test_missing_cells_are_null_and_not_nan(make: Make, dated: Model, rich: pd.DataFrame) -> None:
    nobody = Rows(np.full((1, 9), np.nan), {"plan": [None], "channel": [None]}, None)
    found = table([make(1, rows=nobody)], dated.card, frozenset())
    for name in ("customer_id", *dated.card.inputs):
        assert found[name].null_count == 1, name


def test_days_are_points_in_time_to_the_microsecond(make: Make, dated: Model) -> None:
    moments = ["0001-01-01", "1969-12-31T23:59:59.999999", "2026-02-28T01:02:03", "9999-12-31"]
    numbers = np.zeros((4, 9))
    parsed = pd.to_datetime(pd.Series(moments), format="ISO8601", utc=True)
    since = parsed.astype("datetime64[us, UTC]") - pd.Timestamp(0, tz="UTC").as_unit("us")
    numbers[:, -1] = since.dt.total_seconds() / 86_400
    rows = Rows(numbers, {"plan": [None] * 4, "channel": [None] * 4}, None)
    [found] = (
        table([make(4, rows=rows)], dated.card, frozenset()).select(["signup"]).to_pydict().values()
    )
    for written, moment in zip(moments, found, strict=True):
        distance = moment - datetime.fromisoformat(written).replace(tzinfo=UTC)
        assert abs(distance.total_seconds()) < 1e-3


def test_what_is_redacted_is_left_out_the_id_as_well(make: Make, dated: Model) -> None:
    redact = frozenset({"age", "plan", "signup", "customer_id", "no such column"})
    found = table([make()], dated.card, redact).column_names
    assert not {"age", "plan", "signup", "customer_id"} & set(found)
    assert {"channel", "recency_days", "probability"} < set(found)


def test_the_id_is_redacted_by_its_own_name(make: Make, dated: Model) -> None:
    card = dated.card.model_copy(update={"id": "client"})
    assert "customer_id" in table([make(card=card)], card, frozenset()).column_names
    redacted = table([make(card=card)], card, frozenset({"client"})).column_names
    assert "customer_id" not in redacted and "client" not in redacted


def test_a_column_with_a_name_of_the_log_keeps_its_cells(dated: Model) -> None:
    names = {"numeric": ("time", "row"), "dates": (), "categorical": ("version", "role")}
    card = dated.card.model_copy(update={**names, "id": "client"})
    entry = of_card(card, time=7.0, row=8.0, version="pro", role="boss")
    [row] = table([entry], card, frozenset()).to_pylist()
    assert (row["input_time"], row["input_row"]) == (7.0, 8.0)
    assert (row["input_version"], row["input_role"]) == ("pro", "boss")
    assert (row["row"], row["version"], row["role"]) == (0, "3", "champion")
    assert row["time"] == datetime(2026, 2, 28, 12, tzinfo=UTC)
    redacted = table([entry], card, frozenset({"role"})).column_names
    assert "input_role" not in redacted and "input_time" in redacted


def test_there_is_a_folder_for_each_day_in_utc(make: Make, tmp_path: Path) -> None:
    log = opened(tmp_path)
    midnight = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    for moment in (midnight - 0.001, midnight, midnight + 86_399):
        log.add(make(2, moment=moment))
    log.close(10)
    rows = {path.parent.name: pq.read_metadata(path).num_rows for path in files(tmp_path)}
    assert rows == {"day=2026-02-28": 2, "day=2026-03-01": 4}
    read = ds.dataset(tmp_path, partitioning="hive").to_table()
    assert read.num_rows == 6
    assert set(read["day"].to_pylist()) == {"2026-02-28", "2026-03-01"}


def test_versions_with_other_columns_have_files_of_their_own(
    make: Make, dated: Model, tmp_path: Path
) -> None:
    names = {"numeric": ("x",), "dates": (), "categorical": ()}
    log = opened(tmp_path)
    log.add(make())
    log.add(of_card(dated.card.model_copy(update=names), x=1.5))
    log.add(make())
    log.close(10)
    rows = sorted(pq.read_table(path).num_rows for path in files(tmp_path))
    assert rows == [1, 6]


@pytest.mark.slow
def test_what_waits_is_written_in_time_and_in_one_file(make: Make, tmp_path: Path) -> None:
    before = counted("churn_log_written_rows_total")
    log = opened(tmp_path, flush_s=0.2)
    for _ in range(5):
        log.add(make(2))
    until(lambda: files(tmp_path))
    assert [pq.read_metadata(path).num_rows for path in files(tmp_path)] == [10]
    until(lambda: counted("churn_log_written_rows_total") == before + 10)
    log.add(make(1))
    until(lambda: len(files(tmp_path)) == 2)
    log.close(10)


def test_many_are_written_before_the_time_has_come(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_FILE_ROWS", 6)
    log = opened(tmp_path, flush_s=600)
    log.add(make(5))
    time.sleep(0.05)
    assert not files(tmp_path)
    log.add(make(1))
    until(lambda: files(tmp_path))
    log.close(10)


@pytest.mark.slow
def test_all_is_written_at_the_end(make: Make, tmp_path: Path) -> None:
    log = opened(tmp_path, flush_s=600)
    for _ in range(50):
        log.add(make(3))
    log.close(10)
    assert sum(pq.read_metadata(path).num_rows for path in files(tmp_path)) == 150
    assert not log._thread.is_alive()
    assert counted("churn_log_queue_rows") == 0


def test_nothing_is_written_of_nothing(tmp_path: Path) -> None:
    opened(tmp_path).close(10)
    assert not files(tmp_path)


def test_more_than_may_wait_are_dropped_and_counted(make: Make, tmp_path: Path) -> None:
    before = dropped("queue full")
    log = opened(tmp_path, max_rows=10)
    log.add(make(8))
    log.add(make(3))
    log.add(make(2))
    log.add(make(1))
    log.close(10)
    assert dropped("queue full") == before + 4
    assert sum(pq.read_metadata(path).num_rows for path in files(tmp_path)) == 10


def test_what_is_written_makes_room(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_FILE_ROWS", 10)
    log = opened(tmp_path, max_rows=10)
    before = dropped("queue full")
    for number in range(1, 6):
        log.add(make(10))
        until(lambda number=number: len(files(tmp_path)) == number and log._n_waiting == 0)
    log.close(10)
    assert dropped("queue full") == before


@pytest.mark.slow
def test_a_slow_disk_delays_nobody(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = PredictionLog._put

    def slowly(*arguments: Any) -> None:
        time.sleep(0.3)
        put(*arguments)

    monkeypatch.setattr(PredictionLog, "_put", slowly)
    monkeypatch.setattr(prediction_log, "_FILE_ROWS", 1)
    log = opened(tmp_path, max_rows=50)
    before, entry = dropped("queue full"), make(1)
    begun = time.perf_counter()
    for _ in range(200):
        log.add(entry)
    assert time.perf_counter() - begun < 0.2
    log.close(10)
    written = sum(pq.read_metadata(path).num_rows for path in files(tmp_path))
    assert written >= 50
    assert written + dropped("queue full") - before == 200


def test_a_folder_that_cannot_be_written_loses_rows_and_nothing_else(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log").write_text("a file")
    before = dropped("not writable")
    log = opened(tmp_path / "log", flush_s=0.02)
    log.add(make(3))
    until(lambda: dropped("not writable") == before + 3)
    until(lambda: "3 predictions lost" in caplog.text)
    (tmp_path / "log").unlink()
    log.add(make(2))
    until(lambda: files(tmp_path / "log"))
    log.close(10)
    assert dropped("not writable") == before + 3


def test_an_entry_that_does_not_fit_loses_only_its_file(make: Make, tmp_path: Path) -> None:
    before = dropped("not writable")
    log = opened(tmp_path)
    log.add(make(3, answer={"probability": np.zeros(2), "prediction": np.zeros(3, int)}))
    log.add(make(2, moment=NOON + 86_400))
    log.close(10)
    assert dropped("not writable") == before + 3
    assert [path.parent.name for path in files(tmp_path)] == ["day=2026-03-01"]


def test_an_address_that_fsspec_knows_is_written_to(make: Make) -> None:
    memory = fsspec.filesystem("memory")
    log = PredictionLog("memory://bucket/log/", 60, 100, ())
    log.add(make(4))
    log.close(10)
    try:
        [name] = memory.glob("/bucket/log/day=2026-02-28/*.parquet")
        with memory.open(name) as file:
            assert pq.read_table(file).num_rows == 4
    finally:
        memory.rm("/bucket", recursive=True)


@pytest.mark.parametrize("address", ["nothing://x", "s4://bucket"])
def test_an_address_that_nobody_knows_is_refused(address: str) -> None:
    with pytest.raises(ParamsError, match=f"serve.log: {address}: "):
        PredictionLog(address, 1, 1, ())


WRITER = """
import sys
import time
from pathlib import Path
import numpy as np
from churn.model.card import ModelCard
from churn.serve.prediction_log import Entry, PredictionLog
from churn.serve.rows import Rows

card = ModelCard.model_validate_json(Path(sys.argv[1]).read_text())
log = PredictionLog(sys.argv[2], 0.001, 10**9, ())
count = 3000
rows = Rows(np.random.default_rng(1).random((count, len(card.numeric) + len(card.dates))),
            {name: ["x"] * count for name in card.categorical}, list(map(str, range(count))))
while True:
    answer = {"probability": np.zeros(count), "prediction": np.zeros(count, int)}
    log.add(Entry(["r"], [1.0], [1.0], 0.5, [count], None, rows, answer, card, "3", "champion"))
    time.sleep(0.001)
"""


@pytest.mark.slow
@pytest.mark.long
def test_a_reader_finds_no_half_of_a_file_after_a_kill(dated: Model, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(dated.card.model_dump_json())
    folder = tmp_path / "log"
    command = [sys.executable, "-c", WRITER, str(tmp_path / "card.json"), str(folder)]
    for delay in (0.03, 0.11, 0.2):
        before = len(list(folder.rglob("*.parquet")))
        with subprocess.Popen(command) as process:
            try:
                until(lambda before=before: len(list(folder.rglob("*.parquet"))) > before)
                time.sleep(delay)
            finally:
                process.kill()
        for path in folder.rglob("*.parquet"):
            assert pq.read_table(path).num_rows % 3000 == 0
    # What was not finished is hidden from readers of the folder.
    assert ds.dataset(folder, partitioning="hive").to_table().num_rows >= 9000
