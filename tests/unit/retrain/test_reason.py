"""Why a retraining was started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from churn.core.errors import ArtifactError
from churn.retrain.reason import read


def test_a_regular_run_has_no_reason() -> None:
    assert read(None, None) == read("  ", None) == ()


def test_what_somebody_says_and_each_alarm(tmp_path: Path) -> None:
    alarms = [
        {"kind": "data", "name": "drift", "column": "age", "shown": "age has drifted"},
        {"kind": "volume", "shown": "half of the usual customers"},
    ]
    file = tmp_path / "monitor.json"
    file.write_text(json.dumps({"alarms": alarms, "model": "churn"}))
    assert read("by hand", file) == (
        "by hand",
        "alarm, data: age has drifted",
        "alarm, volume: half of the usual customers",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"alarms": 3}',
        '{"alarms": ["x"]}',
        '{"alarms": [{"kind": "data"}]}',
        '{"alarms": "all"}',
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "monitor.json").write_text(text)
    with pytest.raises(ArtifactError, match="has no list of alarms"):
        read(None, tmp_path / "monitor.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"monitor\.json: cannot be read \(No such file"):
        read(None, tmp_path / "monitor.json")
