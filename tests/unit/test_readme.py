"""What the documents say is there: commands, options, paths, parameters, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml
from dvc.cli.parser import get_main_parser

from churn.cli.main import cli
from churn.core import params
from tests.conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text()
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# A mapping that forks fill as they need is one row, whatever it holds.
_ONE_ROW = {
    "features.rfm",
    "model.hyperparameters",
    "gates.minima",
    "gates.margins",
    "gates.slice_margins",
}


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
                cli.commands[name].make_context(name, rest, parent=click.Context(cli))
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
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


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


def table_keys(text: str) -> set[str]:
    """Keys of the configuration table, the only one whose first two cells are code."""
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \| .+ \|$", text, re.MULTILINE)
    return {f"{section}.{key}" for section, key in rows}


def keys(document: dict, prefix: str = "") -> Iterator[str]:
    for name, value in document.items():
        key = f"{prefix}{name}"
        nested = isinstance(value, dict) and key not in _ONE_ROW
        yield from keys(value, f"{key}.") if nested else [key]


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


def test_the_tree_and_the_table_are_complete() -> None:
    assert [path for path in tree(README) if not (ROOT / path).exists()] == []
    assert table_keys(README) == set(keys(params.load(ROOT / "params.yaml").model_dump()))


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
    assert table_keys("| `a` | `b.c` | is |\n") == {"a.b.c"}
    assert set(keys({"a": {"b": {"c": 1}, "d": None}})) == {"a.b.c", "a.d"}
