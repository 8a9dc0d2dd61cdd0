"""A YAML document: what is read, and how what is not is refused."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

from churn.core import document, params
from churn.core.document import number_hint, parse, read_document
from churn.core.errors import ParamsError
from tests.conftest import ROOT


def refusal(text: str) -> str:
    with pytest.raises(ParamsError) as caught:
        parse(text)
    return str(caught.value)


def test_a_document_is_read_as_plain_values(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: {b: [1, x, null]}\nc: 1.0e-3\n")
    assert read_document(tmp_path / "x.yaml") == {"a": {"b": [1, "x", None]}, "c": 0.001}


def test_of_equal_keys_the_second_is_refused_with_its_line() -> None:
    assert refusal("a: 1\nb: 2\na: 3\n") == "line 3: not YAML: key 'a' is repeated"
    assert refusal("{a: 1, a: 2}") == "line 1: not YAML: key 'a' is repeated"


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
    ("text", "forms"),
    [
        ("1e-3", "0.001 or 1.0e-3"),
        ("2.5e3", "2500 or 2.5e+3"),
        ("-1E-2", "-0.01 or -1.0e-2"),
        ("1e-30", "1.0e-30"),
    ],
)
def test_the_forms_that_a_hint_names_are_read_as_that_number(text: str, forms: str) -> None:
    hint = number_hint(text)
    assert hint == f"; YAML reads that as text: write {forms}"
    assert isinstance(parse(text), str)
    for form in forms.split(" or "):
        assert parse(form) == float(text)


@pytest.mark.parametrize("value", ["many", "0.001", "e3", "1e", "", 0.001, None, [1]])
def test_there_is_no_hint_for_anything_else(value: Any) -> None:
    assert number_hint(value) == ""


def test_a_whole_number_has_no_exponent() -> None:
    assert number_hint("1e3", whole=True).endswith(": write 1000")
    assert number_hint("1e-3", whole=True) == ""


@pytest.mark.parametrize(
    ("key", "value", "end"),
    [
        (
            "split.test_share",
            "1e-3",
            ", not '1e-3'; YAML reads that as text: write 0.001 or 1.0e-3",
        ),
        ("model.seed", "1e3", ", not '1e3'; YAML reads that as text: write 1000"),
    ],
)
def test_a_number_that_is_read_as_text_is_refused_with_how_to_write_it(
    key: str, value: str, end: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        params.load(ROOT / "params.yaml", {key: parse(value)})
    assert str(caught.value).endswith(end)


def test_the_examples_in_the_docstrings_hold() -> None:
    done = doctest.testmod(document)
    assert done.attempted > 0
    assert done.failed == 0
