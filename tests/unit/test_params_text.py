"""Which limits differ between two texts, read without a YAML library."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from churn.core.params import Params
from churn.review.params_text import SECTIONS, Edit, UnreadableError, changed_limits
from tests.conftest import PARAMS

PARAMS = PARAMS.read_text()


def changed(old: str, new: str) -> list[Edit]:
    """Compare params.yaml with itself after a replacement."""
    assert PARAMS.count(old) >= 1
    return changed_limits(PARAMS, PARAMS.replace(old, new, 1))


def test_every_section_with_limits_is_one_of_params_yaml() -> None:
    assert set(SECTIONS) < set(Params.model_fields)
    assert set(Params.model_fields) - set(SECTIONS) == {
        "train",
        "features",
        "model",
        "serve",
        "monitor",
        "tune",
        "retrain",
        "batch",
        "card",
    }


def test_a_limit_that_was_moved_is_told_before_and_after() -> None:
    assert changed("roc_auc: 0.78", "roc_auc: 0.5") == [
        Edit("gates", ("    roc_auc: 0.78",), ("    roc_auc: 0.5",))
    ]


def test_a_limit_that_was_taken_out_or_put_in_has_one_side() -> None:
    line = "    average_precision: 0.6\n"
    assert changed(line, "") == [Edit("gates", (line.rstrip(),), ())]
    assert changed(line, f"{line}    brier: 0.3\n") == [Edit("gates", (), ("    brier: 0.3",))]


def test_a_section_that_is_gone_has_changed() -> None:
    start = PARAMS.index("checks:")
    edits = changed_limits(PARAMS, PARAMS[:start])
    assert [edit.section for edit in edits] == ["checks"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_iter: 120", "max_iter: 60"),
        ("numerator: recency_days", "numerator: age"),
        ("# minimum of metrics on", "# other words about metrics on"),
        ("gates:\n", "\n# A remark.\ngates:   # and another\n  # one more\n\n"),
        ("roc_auc: 0.78\n", "roc_auc: 0.78     # a limit\n"),
    ],
)
def test_the_model_comments_and_blank_lines_are_no_limits(old: str, new: str) -> None:
    assert changed(old, new) == []


def test_the_order_of_sections_is_no_limit() -> None:
    start, end = PARAMS.index("gates:"), PARAMS.index("# The registered model")
    moved = PARAMS[:start] + PARAMS[end:] + "\n" + PARAMS[start:end]
    assert changed_limits(PARAMS, moved) == []


def test_two_edits_of_a_section_are_two() -> None:
    text = PARAMS.replace("roc_auc: 0.78", "roc_auc: 0.7").replace("cost: 0.03", "cost: 0.3")
    assert [(edit.before, edit.after) for edit in changed_limits(PARAMS, text)] == [
        (("    roc_auc: 0.78",), ("    roc_auc: 0.7",)),
        (("    cost: 0.03",), ("    cost: 0.3",)),
    ]


@pytest.mark.slow
def test_long_texts_that_differ_everywhere_take_no_time() -> None:
    one, other = ("gates:\n" + f"  a: 1\n  a: {n}\n" * 14_000 for n in (2, 3))
    started = time.perf_counter()
    [edit] = changed_limits(one, other)
    assert time.perf_counter() - started < 5
    assert len(edit.before) == len(edit.after) == 27_999


def test_a_quoted_value_counts_with_what_stands_behind_it() -> None:
    one = "split:\n  salt: \"a #b\"\n  x: ['y', z]  # remark\n"
    assert changed_limits(one, one.replace("#b", "#c"))[0].section == "split"
    assert changed_limits(one, one.replace("remark", "another")) != []


@pytest.mark.parametrize(
    "text",
    [
        "---\ngates:\n  a: 1\n",
        "gates:\n  a: 1\n...\n",
        "%YAML 1.1\n---\ngates:\n  a: 1\n",
        "gates: &x\n  a: 1\n",
        "gates:\n  a: &x 1\n",
        "gates:\n  a: *x\n",
        "gates:\n  <<: {a: 1}\n",
        "gates:\n  a: !!int 1\n",
        "gates:\n  ? a\n  : 1\n",
        "gates:\n  a: |\n    # text\n",
        "gates:\n  a: >\n    # text\n",
        "gates:\n\ta: 1\n",
        "gates:\n  a: 1\r\n",
        "gates:\n  a: 1 # x\u2028  b: 2\n",
        "gates:\n  a: 1 # x\x85  b: 2\n",
        "\ufeffgates:\n  a: 1\n",
        "gates:\n  a: 1\ngates:\n  a: 2\n",
        '"gates":\n  a: 1\n',
        "'gates':\n  a: 1\n",
        "gates :\n  a: 1\n",
        "gates: {a: 1}\n",
        "gates: null\n",
        "{gates: {a: 1}}\n",
        "[gates]\n",
        "- gates\n",
        " gates:\n  a: 1\n",
        'gates:\n  a: "x\n  # y"\n',
        "gates:\n  a: 'x\n  # y'\n",
        'gates:\n  a: "x\\"\n  # y"\n',
        "gates:\n  a: \"'\" '\n  # y'\n",
        "gates:\n  a: [b 'c, \"d' #x\", e]\n",
        "gates:\n  a: it's\n",
        "gates:\n  {\nminima:\n  {a: 1}}\n",
        "gates:\n  a: b}\n  c: {\nminima:\n  d: 1}\n",
        "gates:\n  a: [1,\n",
        "x" * 200_001,
        "gates:\n  a: 1" + " " * 500 + "b",
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_what_may_mean_something_else_is_not_followed(text: str) -> None:
    for before, after in ((PARAMS, text), (text, PARAMS), (text, f"{text}\n")):
        with pytest.raises(UnreadableError):
            changed_limits(before, after)
    assert changed_limits(text, text) == []  # it is the same, whatever it means


_LINES = [
    *(
        "gates:",
        "model:",
        "split:",
        "minima:",
        "  a: 1",
        "  a: 2",
        "    b: 3",
        "  - c",
        "  - {d: 4}",
    ),
    *(
        "  e: {f: [1, 2]}",
        "  # remark",
        "",
        "  g: 'h #i'",
        '  g: "h #j"',
        "  k: l # m",
        "  k: l #n",
    ),
    *(
        "  {",
        "  }",
        "  [",
        "  ]",
        "  a: b}",
        "  a: {b",
        "  o: 'p",
        "  # q'",
        "  o: it's",
        "---",
        "  |",
    ),
    *(
        "  r: |",
        "  s: &t u",
        "  v: *t",
        "  <<: *t",
        '  w: "x\\',
        "\ty: z",
        "gates: {a: 1}",
        "gates:  # aa",
    ),
    *(
        "  a: 1,",
        "  'b c': 1",
        '  "d": [e, "f"]',
        "  ? g",
        "  : h",
        "  i: 'j''k'",
        "  l: [m 'n, \"o' #p\"]",
    ),
]
_documents = st.lists(st.sampled_from(_LINES), min_size=1, max_size=7)


def limits(text: str) -> Any:
    document = yaml.safe_load(text)
    return {key: document[key] for key in SECTIONS if key in document}


@pytest.mark.slow
@settings(max_examples=1000)
@given(_documents, st.sampled_from(["gates:", "model:"]), st.integers(0), st.sampled_from(_LINES))
def test_what_yaml_finds_changed_is_found(
    lines: list[str], first: str, place: int, other: str
) -> None:
    place %= len(lines)
    before, after = (
        "\n".join([first, *lines[:place], line, *lines[place + 1 :]])
        for line in (lines[place], other)
    )
    try:
        differ = limits(before) != limits(after)
        found = changed_limits(before, after)
    except (yaml.YAMLError, TypeError, ValueError, UnreadableError):
        return
    assert found or not differ


def test_a_key_of_the_file_itself_is_a_limit() -> None:
    before = "task: binary\n\ndata:\n  path: a.csv\n"
    [edit] = changed_limits(before, before.replace("binary", "regression  # a number"))
    assert (edit.before, edit.after) == (("task: binary",), ("task: regression",))
    for broken in ("task: binary\n  more\n", "task: binary\ntask: binary\n", "task: 'a\n"):
        with pytest.raises(UnreadableError):
            changed_limits(before, broken)
