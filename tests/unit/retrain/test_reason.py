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
        {"kind": "data", "reason": "age has drifted", "value": 0.4},
        {"reason": "calibration"},
        "volume",
        {"value": 1},
    ]
    file = tmp_path / "monitor.json"
    file.write_text(json.dumps({"alarms": alarms}))
    assert read("by hand", file) == (
        "by hand",
        "alarm: data: age has drifted",
        "alarm: calibration",
        "alarm: volume",
        'alarm: {"value": 1}',
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"alarms": 3}', '{"alarms": "all"}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "monitor.json").write_text(text)
    with pytest.raises(ArtifactError, match="has no list `alarms`"):
        read(None, tmp_path / "monitor.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"monitor\.json: cannot be read \(No such file"):
        read(None, tmp_path / "monitor.json")
