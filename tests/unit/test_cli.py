"""The command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pandas as pd
import pytest

from churn.cli.main import cli, main

HEAVY = {"mlflow", "pandas", "numpy", "sklearn", "matplotlib", "rich", "yaml", "pydantic"}
GROUPS = {name: c for name, c in cli.commands.items() if isinstance(c, click.Group)}
COMMANDS = cli.commands | {
    f"{name} {sub}": command
    for name, group in GROUPS.items()
    for sub, command in group.commands.items()
}
PARAMETERS = [
    (name, parameter) for name, command in COMMANDS.items() for parameter in command.params
]


def run(*arguments: str) -> int:
    """Run a command in this process, and return its exit code."""
    try:
        main(list(arguments))
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def loaded_after(arguments: list[list[str]]) -> set[str]:
    """Return the packages that a fresh process has loaded when it has run some commands."""
    program = (
        "import json, sys\n"
        "from churn.cli.main import main\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    main(arguments)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_telemetry_is_off_before_a_command_imports_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    assert run("status", "--help") == 0
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    purpose = (COMMANDS[name].help or "").partition("\n")[0]
    assert len(purpose) > 10
    assert run(*name.split(), "--help") == 0
    assert purpose in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=lambda value: str(value))
def test_every_option_has_help(name: str, parameter: click.Parameter) -> None:
    if isinstance(parameter, click.Argument):
        assert parameter.human_readable_name in (COMMANDS[name].help or "")
        return
    assert isinstance(parameter, click.Option)
    assert parameter.help


def test_the_stages_come_first_and_in_their_order() -> None:
    # In a process of its own: the order is that of imports, and another test may import one first.
    done = subprocess.run(
        [sys.executable, "-m", "churn", "--help"], capture_output=True, text=True, check=True
    )
    listed = done.stdout.partition("Commands:")[2].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    assert names[:5] == ["prepare", "train", "evaluate", "validate", "track"]
    assert set(names) == set(cli.commands)


def test_each_command_is_described_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    assert [line for line in listed if line.endswith("...")] == []


def test_help_loads_nothing_heavy() -> None:
    every = [["--help"], *([name, "--help"] for name in cli.commands)]
    loaded = loaded_after(every)
    assert "click" in loaded
    assert not loaded & HEAVY


@pytest.mark.slow
def test_a_module_that_a_command_needs_is_seen_when_it_is_loaded(tmp_path: Path) -> None:
    # The test above could not fail if this one did.
    command = ["synthesize", "--customers", "5", "--seed", "1"]
    assert "numpy" in loaded_after([[*command, "--output", str(tmp_path / "x.csv")]])


def test_a_known_error_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("prepare") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("Error: params.yaml: does not exist")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [["prepare", "--traceback"], ["--traceback", "prepare"], ["--traceback", "train"]],
    ids=" ".join,
)
def test_traceback_shows_where_it_comes_from(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert any("read_document" in line for line in lines)
    assert lines[-1].startswith("Error: params.yaml: does not exist")


def test_a_defect_shows_where_it_is_and_is_not_taken_for_a_gate_that_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defect(*_: object) -> None:
        raise KeyError("salt")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("churn.stages.prepare.run", defect)
    assert run("prepare") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "Error: a bug in churn: KeyError: 'salt'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepair"], "No such command 'prepair'"),
        (["train", "--depth", "3"], "No such option"),
        (["synthesize", "--seed", "1"], "Missing option"),
        (["synthesize", "--customers", "0", "--seed", "1", "--output", "x.csv"], "--customers"),
        (["evaluate", "--set", "data.path=x.csv"], "--set requires --model"),
        (["train", "--set", "model.seed"], "write it as KEY=VALUE"),
    ],
)
def test_a_wrong_call_is_refused_with_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_synthesize_writes_customers_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made.csv"
    call = ["synthesize", "--customers", "1200", "--seed", "4", "--drift", "3"]
    assert run(*call, "--output", str(output)) == 0
    assert capsys.readouterr().out == f"{output}: 1,200 customers\n"
    assert len(pd.read_csv(output)) == 1200


def test_predict_writes_predictions_and_says_so(
    stored: Path, planned: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned.head(40).to_parquet(tmp_path / "in.parquet")
    files = ["--input", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out.csv")]
    assert run("predict", "--model", str(stored), *files) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out.csv'}: 40 customers\n"
    assert set(pd.read_csv(tmp_path / "out.csv")["prediction"]) <= {0, 1}


def test_a_value_that_reads_like_the_option_shows_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("evaluate", "--model", "--traceback") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_every_command_takes_traceback() -> None:
    for name, command in cli.commands.items():
        assert "--traceback" in {opt for option in command.params for opt in option.opts}, name
