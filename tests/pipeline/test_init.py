"""From a file to a reviewed model by `churn init`, and what it refuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from churn.core import params
from churn.review import params_text
from tests.pipeline.conftest import Clone, make_clone
from tests.unit.init.tables import shop, telco


def begin_and_kill(clone: Clone, *command: str, at: str) -> None:
    """Start a command, and kill it, with what it runs, where it says that a step begins."""
    # A warm program is in no group to be killed; that of the checks is not killed.
    environment = clone.environment | {"PATH": replace(clone, is_warm=False).environment["PATH"]}
    with subprocess.Popen(
        command,
        cwd=clone.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith(f"== {at}"):
                os.killpg(running.pid, signal.SIGKILL)
                return
        pytest.fail(f"{command} ended without {at!r}")


def without_slow_checks(clone: Clone) -> None:
    """Take the checks out that need as much time as all others together."""
    file = clone.root / "params.yaml"
    text = re.sub(r"    - \{check: MultivariateDrift.*\n", "", file.read_text())
    text = text.partition("    - check: WeakSegmentsPerformance")[0]
    file.write_text(text)
    clone.git("commit", "--all", "--quiet", "--message", "Fewer checks")


@pytest.mark.exhaustive
@pytest.mark.long
def test_a_file_of_the_telco_kind_becomes_a_reviewed_model(clone: Clone, tmp_path: Path) -> None:
    """Killed twice on the way; nobody opens an editor."""
    clone = replace(clone, is_warm=True)
    without_slow_checks(clone)
    file = tmp_path / "telco.csv"
    telco(1500).to_csv(file, index=False, lineterminator="\r\n")
    content = file.read_bytes()
    command = ("churn", "init", str(file), "--yes")

    begin_and_kill(clone, *command, at="table into data/")
    begin_and_kill(clone, *command, at="dvc repro")
    done = clone.run(*command)

    assert "churn review --baseline main" in done.stdout
    assert "blocks the review" not in done.stdout
    assert [path.name for path in (clone.root / "data").iterdir()] == ["telco.csv"]
    assert file.read_bytes() == (clone.root / "data/telco.csv").read_bytes() == content
    written = (clone.root / "params.yaml").read_text()
    settings = params.load(clone.root / "params.yaml")
    assert settings.gates.accept is not None
    assert settings.gates.accept in (clone.root / "data.dvc").read_text()
    # Each limit that was chosen says why, in the third run as well.
    chosen = [line for line in done.stdout.splitlines() if ", because " in line]
    assert [why for line in chosen if (why := line.split(", because ")[1]) not in written] == []
    # The comment on a pull request reads it without a YAML library.
    before = clone.git("show", "main:params.yaml")
    edits = params_text.changed_limits(before, written)
    assert {edit.section for edit in edits} >= {"data", "evaluation", "gates"}

    clone.git("switch", "--quiet", "--create", "our-customers")
    clone.run("dvc", "push")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "Our own customers")
    judged = clone.run("churn", "review", "--baseline", "main")
    assert "FAIL" not in judged.stdout
    assert "not committed" not in judged.stdout
    assert "churn margins" not in judged.stderr
    report = (clone.root / "build/candidate/report.md").read_text()
    assert report.startswith(
        "## 🟡 Cannot tell, a person has to decide: the table was replaced, main's model cannot be"
        " compared on it, and this change was judged by its own limits; by main's,"
    )


@pytest.mark.long
def test_what_cannot_be_used_is_one_line_and_changes_nothing(tmp_path: Path) -> None:
    clone = make_clone(tmp_path, is_warm=True)
    clone.run("dvc", "pull", "--quiet", "data.dvc")
    many = shop().drop(columns="plan").assign(left=[f"w{i}" for i in range(100)] * 4)
    for name, frame in (("many", many), ("few", shop(40)), ("good", shop())):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    twice = shop()
    twice.loc[1, "client"] = twice.loc[0, "client"]
    twice.to_csv(tmp_path / "twice.csv", index=False)
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    before = clone.git("status", "--porcelain"), (clone.root / "params.yaml").read_text()

    for message, *arguments in (
        ("holds 100 different values; a target has two values", "many.csv", "--yes"),
        ("40 rows; at least 50 are needed", "few.csv", "--yes"),
        ("is also in row 1; keep one row per customer", "twice.csv", "--id", "client", "--yes"),
        ("a spreadsheet; save it as CSV", "book.xlsx", "--yes"),
        ("none.csv: not there", "none.csv", "--yes"),
        ("--target left --task binary --id client --positive yes --yes", "good.csv"),
    ):
        file, *options = arguments
        done = clone.run("churn", "init", str(tmp_path / file), *options, check=False)
        assert done.returncode == 2, (message, done.stderr)
        [error] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert message in error
        assert done.stderr.splitlines()[-1] == error
    (clone.root / "data/mine.csv").write_text("a\n")
    done = clone.run("churn", "init", str(tmp_path / "good.csv"), "--yes", check=False)
    assert "data/mine.csv: not in data.dvc, so it would be lost" in done.stderr
    assert (clone.git("status", "--porcelain"), (clone.root / "params.yaml").read_text()) == before
    assert (clone.root / "data/mine.csv").exists()
