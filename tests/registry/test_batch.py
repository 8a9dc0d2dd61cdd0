"""`churn predict` reads from and writes to a real S3 server, and goes on there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import boto3
import pandas as pd
import pytest

from churn.batch import job, run
from churn.batch.run import Options
from churn.core.errors import DataError
from tests.registry import servers

pytestmark = pytest.mark.long


class Killed(BaseException):
    """As a signal would end the process."""


def test_a_folder_in_s3_is_predicted_into_another(
    bucket: Path, stored: Path, planned: pd.DataFrame, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client = boto3.client("s3")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/_SUCCESS").touch()
    planned[:100].to_parquet(tmp_path / "in/a.parquet")
    spoilt = planned[100:200].astype({"age": object}).reset_index(drop=True)
    spoilt.loc[7, "age"] = "old"
    spoilt.astype({"age": "str"}).to_parquet(tmp_path / "in/b.parquet")
    planned[200:300].to_parquet(tmp_path / "in/c.parquet")
    for file in (tmp_path / "in").iterdir():
        client.put_object(Bucket=servers.BUCKET, Key=f"in/{file.name}", Body=file.read_bytes())
    for folder in ("in/", "day/scored/"):  # as the console of S3 makes them
        client.put_object(Bucket=servers.BUCKET, Key=folder)
    here = Options(str(stored), str(tmp_path / "in"), str(tmp_path / "out"), "quarantine")
    run.run(here)
    there = replace(
        here, input=f"s3://{servers.BUCKET}/in", output=f"s3://{servers.BUCKET}/day/scored"
    )

    refused = replace(there, bad_rows="refuse")
    with pytest.raises(DataError, match=r"^s3://mlflow/in/b\.parquet: column 'age', row 8 "):
        run.run(refused)
    assert not (bucket / "day/scored/_unfinished").exists()

    real, added = job.Job.add, iter(range(2))

    def add(self: job.Job, *arguments: object) -> None:
        if next(added, None) is None:
            raise Killed
        real(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(job.Job, "add", add)
        with pytest.raises(Killed):
            run.run(there)
    with pytest.raises(DataError, match="has not ended; --resume goes on with it"):
        run.run(there)
    outcome = run.run(replace(there, resume=True))
    assert (outcome.customers, outcome.bad, outcome.files, outcome.rows) == (299, 1, 3, 100)

    listed = client.list_objects_v2(Bucket=servers.BUCKET, Prefix="day/")["Contents"]
    names = [
        "_SUCCESS",
        "_bad_rows/b.parquet.csv",
        "_run.json",
        "a.parquet",
        "b.parquet",
        "c.parquet",
    ]
    keys = [one["Key"].removeprefix("day/scored/") for one in listed]
    assert [key for key in keys if key and not key.endswith("/")] == names
    for name in names[3:]:
        pd.testing.assert_frame_equal(
            pd.read_parquet(bucket / "day/scored" / name).drop(columns="time"),
            pd.read_parquet(tmp_path / "out" / name).drop(columns="time"),
        )
    assert run.run(replace(there, overwrite=True)).customers == 299


def test_a_file_and_a_pattern_in_s3(bucket: Path, stored: Path, planned: pd.DataFrame) -> None:
    planned[:50].to_csv(bucket / "a.csv.gz", index=False)
    planned[50:60].to_csv(bucket / "b.csv", index=False)
    one = Options(str(stored), "s3://mlflow/b.csv", "s3://mlflow/one/")
    assert run.run(one).customers == 10
    assert len(pd.read_csv(bucket / "one/b.csv")) == 10
    assert run.run(replace(one, input="s3://mlflow/*.csv*", output="s3://mlflow/two")).files == 2
    with pytest.raises(DataError, match=r"^s3://mlflow/gone: cannot be read \(not there\)$"):
        run.run(replace(one, input="s3://mlflow/gone"))
    with pytest.raises(DataError, match=r"^s3://nobody-has-it/out: cannot be written"):
        run.run(replace(one, output="s3://nobody-has-it/out"))
