"""A YAML document: what is read, and how what is not is refused."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml

from churn.core import params
from churn.core.document import parse, read_document, update
from churn.core.errors import ParamsError
from tests.conftest import PARAMS


def refusal(text: str) -> str:
    with pytest.raises(ParamsError) as caught:
        parse(text)
    return str(caught.value)


def test_a_document_is_read_as_plain_values(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: {b: [1, x, null]}\nc: 1.0e-3\n")
    assert read_document(tmp_path / "x.yaml") == {"a": {"b": [1, "x", None]}, "c": 0.001}


def test_of_equal_keys_the_second_is_refused_with_its_line() -> None:
    found = 'not YAML: found duplicate key "a" with value'
    assert refusal("a: 1\nb: 2\na: 3\n").startswith(f"line 3: {found}")
    assert refusal("{a: 1, a: 2}").startswith(f"line 1: {found}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 31 + "]" * 31,
        "a: " + "[" * 5000 + "]" * 5000,
        "a: " + "{b: " * 5000 + "1" + "}" * 5000,
        "a: &a [*a]",
        "a: &a [*a, *a]",
        "a: &a {b: [{c: *a}]}",
        "a: &a !!pairs [x: *a]",
    ],
    ids=["deep", "very deep", "deep mapping", "list", "list twice", "mapping", "pairs"],
)
def test_what_is_too_deep_or_refers_to_itself_is_refused(text: str, tmp_path: Path) -> None:
    assert refusal(text) == "nested more than 30 levels deep, or refers to itself"
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match="refers to itself"):
        params.load(file)


def test_what_is_repeated_by_an_alias_is_read() -> None:
    assert parse("a: &a [1]\nb: *a") == {"a": [1], "b": [1]}


@pytest.mark.parametrize("text", ["2024-02-31", "a: !!int x"])
def test_a_value_that_yaml_cannot_build_is_refused(text: str) -> None:
    assert "not YAML: " in refusal(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("1e-3", 0.001),
        ("010", 10),
        ("1:30", "1:30"),
        ("1_000", 1000),
        ("0x1F", 31),
        ("true", True),
        ("~", None),
    ],
)
def test_a_value_means_to_dvc_what_it_means_here(text: str, value: Any) -> None:
    assert parse(f"a: {text}") == {"a": value}
    assert parse_yaml(f"a: {text}", "params.yaml") == {"a": value}


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        (("gates", "margins"), {"cost": 0.045}, ["-    cost: 0.03", "+    cost: 0.045"]),
        (
            ("model", "hyperparameters"),
            {"max_depth": None, "max_features": 1e-05},
            [
                "-    max_depth: 4                  # depth of each tree",
                "+    max_depth: null               # depth of each tree",
                "+    max_features: 1.0e-05",
            ],
        ),
    ],
)
def test_of_a_file_only_the_values_change(
    section: tuple[str, ...], values: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    file = Path(shutil.copy(PARAMS, tmp_path))
    update(file, section, values)
    before, after = (path.read_text().splitlines() for path in (PARAMS, file))
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert [line[0] + line[2:] for line in changed] == expected
    node = read_document(file)
    for key in section:
        node = node[key]
    assert values.items() <= node.items()


@pytest.mark.parametrize(
    "text", ["a:\n  x: 1  # one\n\n# b\nb: 2\n", "a:\n  y: {}\n  x: 1\n\n# b\nb: 2\n"]
)
def test_a_mapping_that_is_missing_or_empty_is_added(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    update(file, ("a", "y"), {"z": 1.5})
    assert read_document(file) == {"a": {"x": 1, "y": {"z": 1.5}}, "b": 2}
    assert "\n\n# b\nb: 2\n" in file.read_text()
