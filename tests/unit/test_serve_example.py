"""The request that `churn serve --example` prints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest

from churn.cli.serve import _request
from churn.core.params import Params
from churn.core.paths import Workspace


def test_numbers_are_rounded_for_reading(
    small: Params, planned: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Workspace().split("test")
    file.parent.mkdir(parents=True)
    planned.assign(monetary_value=282.65999999999997, age=41.0).to_parquet(file)
    command = shlex.split(_request(small, "http://127.0.0.1:8000"))
    [customer] = json.loads(command[-1])["dataframe_records"]
    assert set(customer) == set(small.data.inputs)
    assert (customer["monetary_value"], customer["age"]) == (282.66, 41.0)
    assert max(len(str(cell)) for cell in customer.values()) <= 8
