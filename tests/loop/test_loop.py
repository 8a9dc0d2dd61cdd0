"""From a model in Production to the one that replaces it, by itself (`make demo`)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from demo import loop

from churn.validation.program import checks_python
from tests import warm
from tests.conftest import require_example

pytestmark = [pytest.mark.long, pytest.mark.exhaustive]


def programs_that_start_at_once() -> dict[str, str]:
    """Return the variables by which commands find them."""
    if not warm.is_possible():
        return {}
    return {
        "PATH": f"{warm.programs()}{os.pathsep}{os.environ['PATH']}",
        "CHURN_CHECKS_PYTHON": str(warm.checks_python(checks_python())),
    }


def test_the_loop_closes(tmp_path: Path) -> None:
    require_example()
    if lacking := [name for name in ("gh", "openssl") if not shutil.which(name)]:
        pytest.skip(f"GitHub cannot be asked here; install {', '.join(lacking)}")
    steps: list[str] = []

    pages = loop.run(tmp_path, steps.append, programs_that_start_at_once())

    told = "\n".join(steps)
    order = [
        "version 1 is served",
        "day 14: Nothing has changed that matters (version 1)",
        "day 30: The customers have changed",
        "issue opened: The customers have changed",
        "pull request: Retrain on 30,000 customers (+20,000)",
        "Merge",
        "the server answers with version 2",
        "day 35: Nothing has changed that matters (version 2)",
        "issue closed",
    ]
    places = [told.find(step) for step in order]
    assert -1 not in places, told
    assert places == sorted(places), told
    before = json.loads((pages / "monitor.json").read_text())
    after = json.loads((tmp_path / "after" / "monitor.json").read_text())
    assert {alarm["kind"] for alarm in before["alarms"]} >= {"data"}
    # The drift began on the fifteenth day, and no day before it was above any limit.
    quiet = [day for day in before["windows"] if day["name"] < "2026-01-15"]
    assert len(quiet) == 14
    assert all(m["value"] <= m["effect"] + m["noise"] for day in quiet for m in day["measures"])
    assert (after["version"], after["alarms"]) == ("2", [])
