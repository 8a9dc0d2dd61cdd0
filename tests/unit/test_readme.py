"""What the documents say is there: commands, options, paths, parameters, links."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml
from dvc.cli.parser import get_main_parser

from churn.cli.main import cli
from tests.conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ['PATH']}"}
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """Words of each command: lines of bash blocks, and lines behind a $ in console blocks."""
    for language, block in _FENCE.findall(text):
        for line in map(str.strip, block.replace("\\\n", " ").splitlines()):
            if language == "bash":
                yield shlex.split(line, comments=True)
            elif language == "console" and line.startswith("$ "):
                yield shlex.split(line[2:], comments=True)


def refusal(words: list[str]) -> str:
    """Say why a command would be refused before it does anything; nothing if it would run."""
    try:
        match words:
            case ["churn", name, *rest] if name not in ("-h", "--help", "--version"):
                command: click.Command = cli.commands[name]
                while isinstance(command, click.Group):
                    command, *rest = command.commands[rest[0]], *rest[1:]
                command.make_context(name, rest, parent=click.Context(cli))
            case ["dvc", *rest]:
                get_main_parser().parse_args(rest)
            case ["mlflow", "run", *rest]:
                project = yaml.safe_load((ROOT / "MLproject").read_text())
                entry = project["entry_points"][rest[rest.index("-e") + 1]]
                given = {value.partition("=")[0] for flag, value in pairwise(rest) if flag == "-P"}
                assert given <= set(entry["parameters"])
            case ["make", *rest]:
                assert {word for word in rest if "=" not in word} <= targets()
    except (Exception, SystemExit) as error:
        return "" if isinstance(error, click.exceptions.Exit) else f"{words}: {error!r}"
    return ""


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def named(program: str, text: str) -> set[str]:
    """What follows a program's name in code within a sentence: `make run` names run."""
    return set(re.findall(rf"`{program} ([\w-]+)[^`\n]*`", _FENCE.sub("", text)))


def tree(text: str) -> Iterator[str]:
    """Paths of the annotated tree: two spaces of indent a level, the name first in its line."""
    folders: list[str] = []
    for line in _FENCE.search(text.partition("## What is where")[2])[2].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        folders[depth:] = [line.split()[0]]
        yield "".join(folders)


def broken(text: str, folder: Path) -> list[str]:
    """Links to files that are not there; addresses and headings are not looked at."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", text)
    return [link for link in links if not (folder / link).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(path: Path) -> None:
    text = path.read_text()
    assert [why for words in commands(text) if (why := refusal(words))] == []
    assert named("make", text) - targets() == set()
    assert named("churn", text) - set(cli.commands) == set()
    assert broken(text, path.parent) == []


def test_the_tree_is_complete() -> None:
    made = (ROOT / ".gitignore").read_text().splitlines()  # and not there in a fresh clone
    shown = [path for path in tree(ARCHITECTURE) if f"/{path}" not in made]
    assert [path for path in shown if not (ROOT / path).exists()] == []


@pytest.mark.slow
def test_pages_that_are_written_from_the_code_are_what_it_says() -> None:
    command = [str(ROOT / "scripts/docs"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_key_without_a_description_is_found(tmp_path: Path) -> None:
    source = (ROOT / "src/churn/core/params/table.py").read_text()
    line = "    salt : str\n        Another salt holds out other customers.\n"
    assert line in source
    shutil.copytree(ROOT / "src", tmp_path / "src")
    for name in ("scripts/docs", "pyproject.toml", "docs/parameters.md", "docs/packages.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "src/churn/core/params/table.py").write_text(source.replace(line, ""))
    environment = ENVIRONMENT | {"PYTHONPATH": str(tmp_path / "src")}
    command = [str(tmp_path / "scripts/docs"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert "salt" in done.stderr


def test_what_is_wrong_is_found() -> None:
    for command in ("churn trian", "churn runs --metrik x", "churn predict --model m"):
        assert refusal(command.split()), command
    for command in ("dvc repo", "make runn", "mlflow run . -e train -P depth=4"):
        assert refusal(command.split()), command
    assert list(commands("```console\n$ churn runs  # all\nno $ runs\n```")) == [["churn", "runs"]]
    assert named("make", "make it: `make runn` or `make tset X=1`") == {"runn", "tset"}
    assert broken("[a](b.md#c) [d](https://e)", ROOT) == ["b.md"]
    paths = tree("## What is where\n```text\na/   A\n  b\nc\n```")
    assert list(paths) == ["a/", "a/b", "c"]
