"""`churn retrain` fetches from a real S3 server, which tells the MD5 of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import boto3
import pandas as pd
import pytest
import s3fs

from churn.core.errors import DataError
from churn.retrain.source import Source
from tests.registry import servers

pytestmark = pytest.mark.long

CONTENT = b"customer_id,churned\nC1,0\n"


@pytest.mark.usefixtures("bucket")
def test_a_file_and_a_folder_in_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3")
    part = tmp_path / "part.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(part)
    for key, content in {
        "c.csv": CONTENT,
        "table/_SUCCESS": b"",
        "table/day=1/part.parquet": part.read_bytes(),
    }.items():
        client.put_object(Bucket=servers.BUCKET, Key=key, Body=content)

    file = Source(tmp_path, f"s3://{servers.BUCKET}/c.csv")
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert file.known_md5s() == {md5}
    assert file.fetch(tmp_path / "new/c.csv") == {"": md5}
    assert (tmp_path / "new/c.csv").read_bytes() == CONTENT

    folder = Source(tmp_path, f"s3://{servers.BUCKET}/table")
    assert folder.known_md5s() == frozenset()
    found = folder.fetch(tmp_path / "new/table")
    assert found == {"day=1/part.parquet": hashlib.md5(part.read_bytes()).hexdigest()}

    with pytest.raises(DataError, match=r"^s3://mlflow/gone\.csv: cannot be fetched \(not th"):
        Source(tmp_path, f"s3://{servers.BUCKET}/gone.csv").known_md5s()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(DataError, match=r"^s3://mlflow/c\.csv: cannot be fetched \(") as caught:
        file.known_md5s()
    assert "\n" not in str(caught.value)
    assert "Forbidden" in str(caught.value)
