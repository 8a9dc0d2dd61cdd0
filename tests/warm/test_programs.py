"""A warm program is to be had for one that was started, but for the time that it takes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import churn.tracking.connection  # noqa: F401  # it sets variables, before the server starts
from tests import warm
from tests.conftest import ROOT
from tests.warm.server import digest_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not warm.is_possible(), reason="Linux alone has what this needs"),
]
# In place of `churn`: it says what it has found, and does what it is told to.
PROGRAM = """
import atexit, os, sys, threading, time
def late():
    time.sleep(0.2)
    print("a thread")
def main():
    word = sys.argv[1]
    if word == "look":
        own_name = "churn" in sys.argv[0]
        print(os.getcwd(), os.environ["WORD"], sys.stdin.read(), sys.argv[1:], own_name)
        print(__file__, "pandas" in sys.modules, os.environ.get("PYTHONHASHSEED"), file=sys.stderr)
    elif word == "wait":
        print(os.getpid(), flush=True)
        time.sleep(600)
    elif word == "late":
        atexit.register(print, "at exit")
        threading.Thread(target=late).start()
        print("the end")
    elif word == "raise":
        raise ValueError(word)
    elif word == "interrupt":
        raise KeyboardInterrupt
    else:
        sys.exit(int(word) if word.isdigit() else word)
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "churn" / "cli").mkdir(parents=True)
    for name in ("__init__.py", "cli/__init__.py"):
        (tmp_path / "churn" / name).touch()
    (tmp_path / "churn/cli/main.py").write_text(PROGRAM)
    (tmp_path / "churn/__main__.py").write_text("from churn.cli.main import main\nmain()\n")
    return tmp_path


def command(name: str, sources: Path, *arguments: str, **environment: str) -> dict:
    return {
        "args": [str(warm.programs() / name), *arguments],
        "cwd": sources,
        "env": os.environ | {"PYTHONPATH": str(sources), "WORD": "a word"} | environment,
        "text": True,
    }


@pytest.mark.parametrize("start", [["churn"], ["python", "-m", "churn"]])
def test_it_is_in_its_folder_with_its_environment_and_streams_and_its_own_code(
    start: list[str], sources: Path
) -> None:
    name, *words = start
    given = command(name, sources, *words, "look", "Größe")
    done = subprocess.run(**given, input="said", capture_output=True, check=False)

    assert done.stdout == f"{sources} a word said ['look', 'Größe'] True\n", done.stderr
    assert done.stderr.split() == [str(sources / "churn/cli/main.py"), "True", "None"]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("word", "code", "last"),
    [("3", 3, ""), ("a reason", 1, "a reason"), ("raise", 1, "ValueError: raise")],
)
def test_its_exit_code_and_reason_are_those_of_the_command(
    word: str, code: int, last: str, sources: Path
) -> None:
    done = subprocess.run(**command("churn", sources, word), capture_output=True, check=False)
    assert done.returncode == code
    assert done.stderr.strip().rpartition("\n")[2] == last


@pytest.mark.parametrize("is_ignored", [False, True])
def test_it_is_interrupted_as_a_process_is(is_ignored: bool, sources: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    if is_ignored:  # as in the background of a shell; a program inherits that
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run(
            **command("churn", sources, "interrupt"), capture_output=True, check=False
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == -signal.SIGINT


def test_what_cannot_be_written_is_a_failure_as_where_it_is_started(sources: Path) -> None:
    given = command("python", sources, "-m", "churn", "late")
    started = given | {"args": [sys.executable, *given["args"][1:]]}
    with Path("/dev/full").open("w") as full:
        codes = [
            subprocess.run(**one, stdout=full, stderr=subprocess.DEVNULL, check=False).returncode
            for one in (given, started)
        ]
    assert 0 not in codes


def test_without_code_of_its_own_it_runs_the_tested_project() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    program = [str(warm.programs() / "churn"), "--version"]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("churn")


def test_code_that_differs_in_a_word_is_run_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path, dirs_exist_ok=True)
    assert digest_of(str(tmp_path)) == digest_of(str(ROOT / "src"))
    given = command("churn", tmp_path, "--version")
    same = subprocess.run(**given, capture_output=True, check=False)
    assert (same.returncode, same.stdout[:6], same.stderr) == (0, "churn,", "")

    main = tmp_path / "churn/cli/main.py"
    main.write_text(main.read_text() + "\n\ndef main():\n    return 'as it was changed'\n")
    changed = subprocess.run(**given, capture_output=True, check=False)
    assert (changed.returncode, changed.stderr) == (1, "as it was changed\n")


def test_what_the_project_sets_when_it_is_imported_is_there(tmp_path: Path) -> None:
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    assert os.environ[name]  # here as well, which is not the command's
    (tmp_path / "test_it.py").write_text(
        f"import os\nfrom churn.tracking import connection\n"
        f"def test_it():\n    assert os.environ[{name!r}] == {os.environ[name]!r}\n"
    )
    words = ("-m", "pytest", "-p", "no:cacheprovider", "test_it.py")
    given = command("python", tmp_path, *words, PYTHONPATH=str(ROOT / "src"))
    del given["env"][name]
    done = subprocess.run(**given, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_ends_after_its_threads_and_what_it_has_to_do_at_the_end(sources: Path) -> None:
    done = subprocess.run(**command("churn", sources, "late"), capture_output=True, check=False)
    assert done.stdout.splitlines() == ["the end", "a thread", "at exit"]
    assert done.returncode == 0


def test_what_python_reads_at_its_start_starts_it(sources: Path) -> None:
    given = command("python", sources, "-m", "churn", "look", PYTHONHASHSEED="7")
    done = subprocess.run(**given, input="", capture_output=True, check=False)
    assert done.stderr.split()[1:] == ["False", "7"]


def test_python_is_that_of_the_environment_for_all_else(sources: Path) -> None:
    given = command("python", sources, "-c", "import sys; print(sys.prefix)")
    done = subprocess.run(**given, capture_output=True, check=False)
    assert done.stdout.strip() == sys.prefix


def test_it_ends_with_whom_it_was_started_for_and_says_what_has_killed_it(sources: Path) -> None:
    for kill_command in (True, False):
        started = subprocess.Popen(
            **command("churn", sources, "wait"), stdout=subprocess.PIPE
        )  # the process of the command is another one
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        os.kill(pid if kill_command else started.pid, signal.SIGKILL)
        assert started.wait(60) == -signal.SIGKILL
        started.stdout.close()
        until = time.monotonic() + 60
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
