"""params.yaml is written with a reason for each value, and keeps what people have written in it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.core import params
from churn.core.errors import ParamsError
from churn.init import choices, tasks
from churn.init.asking import Asker
from churn.init.decisions import KEPT, MARK, Decision, written
from churn.init.reading import read
from churn.init.table import Table, Wishes, describe
from churn.init.target import Target
from tests.conftest import PARAMS
from tests.unit.init.tables import shop

SHIPPED = PARAMS.read_text(encoding="utf-8")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    shop().assign(land="DE").to_csv(tmp_path / "shop.csv", index=False)
    asker = Asker("shop.csv", True, has_terminal=False)
    return describe(read(tmp_path / "shop.csv"), Wishes(), asker)


def decided(table: Table) -> list[Decision]:
    return [
        *choices.decide(table, "data/shop.csv"),
    ]


@pytest.mark.slow
def test_the_columns_are_written_and_validated(table: Table, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(written(SHIPPED, decided(table)), encoding="utf-8")
    settings = params.load(file)
    assert settings.data.numeric == ("days_since_last", "orders", "spent")
    assert settings.data.categorical == ("country", "plan")
    assert settings.data.positive == "yes"
    assert settings.features.rfm is not None
    assert settings.features.rfm.model_dump() == {
        "recency": "days_since_last",
        "frequency": "orders",
        "monetary": "spent",
    }
    assert settings.features.ratios == ()
    assert settings.evaluation.slices.categorical == ("country", "plan")
    # DVC reads YAML 1.2, other programs 1.1, in which yes is a boolean.
    assert yaml.safe_load(file.read_text())["data"]["positive"] == "yes"


@pytest.mark.slow
def test_each_decision_has_its_reason_above_it(table: Table) -> None:
    lines = written(SHIPPED, decided(table)).splitlines()
    for key, why in (
        ("  id: client", "no two rows have the same value in it"),
        ("  numeric: [days_since_last", "left out: land, constant"),
        ("  rfm:", "by the names of the columns"),
    ):
        place = next(i for i, line in enumerate(lines) if line.startswith(key))
        assert lines[place - 1].strip() == MARK + why


@pytest.mark.slow
def test_comments_and_other_values_stay(table: Table) -> None:
    text = written(SHIPPED, decided(table))
    whole_lines = [line for line in SHIPPED.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in whole_lines if line not in text.splitlines()] == []
    beside = [comment.strip() for comment in re.findall(r" (# .*)", SHIPPED)]
    gone = [comment for comment in beside if comment not in text]
    assert gone == []
    before, after = yaml.safe_load(SHIPPED), yaml.safe_load(text)
    for section in set(before) - {"data", "features", "evaluation"}:
        assert after[section] == before[section]


def test_what_is_below_a_replaced_list_stays() -> None:
    text = "a:\n  b:    # beside b\n    - 1\n    - 2   # two\n\n  # above c\n  c: 3\n"
    for value in ([], [7], None, {"x": 1}, [{"x": 1}, {"x": 2}]):
        found = written(text, [Decision(("a", "b"), value, ("why",))])
        assert yaml.safe_load(found) == {"a": {"b": value, "c": 3}}
        assert "\n\n  # above c\n  c: 3\n" in found
        assert "# beside b" in found


@pytest.mark.slow
def test_a_second_time_replaces_the_reasons(table: Table) -> None:
    once = written(SHIPPED, decided(table))
    assert written(once, decided(table)) == once
    assert written(once, []).count(MARK) == 0


@pytest.mark.parametrize(
    "name", ["yes", "null", "1", "a: b", "a, b", "# a", "[a", "'", "Größe", "3.0"]
)
def test_any_name_of_a_column_is_read_back(name: str) -> None:
    text = written(
        "a:\n  b: []\n  c: x\n", [Decision(("a", "b"), [name]), Decision(("a", "c"), name)]
    )
    assert yaml.safe_load(text) == {"a": {"b": [name], "c": name}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "bins", "min_rows"),
    [(100, 2, 10), (442, 2, 29), (600, 2, 40), (1500, 4, 50), (7043, 4, 50)],
)
def test_slices_are_as_many_as_have_held_out_customers(
    rows: int, bins: int, min_rows: int, table: Table
) -> None:
    found = {d.path: d for d in choices.decide(replace(table, rows=rows), "data/shop.csv")}
    slices = ("evaluation", "slices")
    assert (found[*slices, "bins"].value, found[*slices, "min_rows"].value) == (bins, min_rows)


def settings_with(folder: Path, text: str = SHIPPED, **texts: str) -> params.Params:
    file = folder / "before.yaml"
    file.write_text(written(text, [Decision(("card", k), v) for k, v in texts.items()]))
    return params.load(file)


def test_the_texts_of_the_card_that_are_known_are_those_that_are_shipped() -> None:
    assert yaml.safe_load(SHIPPED)["card"] == choices.SHIPPED_CARD


@pytest.mark.slow
@pytest.mark.parametrize("target", ["left", "churned"])
def test_what_was_said_of_another_table_is_emptied(
    target: str, table: Table, tmp_path: Path
) -> None:
    """Of another target, and of the same one where the template says it of its own table."""
    table = replace(table, target=replace(table.target, name=target))
    settings = settings_with(tmp_path)
    file = tmp_path / "params.yaml"
    file.write_text(written(SHIPPED, [*choices.of_card(table, settings)]), encoding="utf-8")
    assert params.load(file).card == params.CardParams()
    text = file.read_text()
    assert "retention" not in text.lower()
    assert text.count("# churn init: not known of this table") == 3
    # A second time as well.
    assert written(text, [*choices.of_card(table, params.load(file))]) == text


@pytest.mark.slow
def test_what_is_known_of_a_table_stays(table: Table, tmp_path: Path) -> None:
    table = replace(table, target=replace(table.target, name="churned"))
    shipped = settings_with(tmp_path)
    same = replace(table, used=dict.fromkeys(shipped.data.inputs, table.used["spent"]))
    assert [*choices.of_card(same, shipped)] == []
    own = settings_with(tmp_path, owner="Ann, ann@example.org")
    assert [d.path[-1] for d in choices.of_card(table, own)] == ["purpose", "out_of_scope"]


def test_a_reason_stays_in_its_line() -> None:
    text = written("a:\n  b: 1\n", [Decision(("a", "b"), 2, ("left out: x\ny: 3, constant",))])
    assert text == "a:\n  # churn init: left out: x y: 3, constant\n  b: 2\n"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_each_decision_says_why(task: params.TaskName, table: Table, tmp_path: Path) -> None:
    """Those of the first model and of another family say it later."""
    classes = ("a", "b", "c") if task == "multiclass" else ()
    table = replace(table, target=Target("left", task, "yes", classes))
    settings = settings_with(tmp_path)

    def all_of(settings: params.Params) -> list[Decision]:
        return [*choices.decide(table, "data/shop.csv"), *tasks.decide(task, settings)]

    decided = all_of(settings)
    later = {("gates", "minima"), ("gates", "margins")}  # by the first model
    silent = {d.path for d in decided if not d.why} - later
    as_shipped = {("data", "csv"), ("data", "missing")}
    as_shipped |= {("checks", "data_integrity"), ("checks", "train_test")}
    assert {path[:2] for path in silent} <= as_shipped
    file = tmp_path / "params.yaml"
    text = written(SHIPPED, decided)
    file.write_text(text, encoding="utf-8")
    # What is said beside a key that stays, stays; and a second time says the same.
    for key in ("folds: 5  ", "max_rows: 100000  "):
        assert re.search(
            rf"  {key} +# ", text.partition("decision:")[2].partition("evaluation:")[0]
        )
    assert written(text, all_of(params.load(file))).count(MARK) == text.count(MARK)


def test_of_a_mapping_with_other_keys_those_that_stay_keep_what_is_beside_them() -> None:
    text = "a:\n  x: 1  # of x\n  y: 2  # of y\n  # of z\n  z: 3\n\nb: 1\n"
    found = written(text, [Decision(("a",), {"w": 0, "y": 5, "v": []})])
    assert found == "a:\n  y: 5  # of y\n  w: 0\n  v: []\n\nb: 1\n"
    flow = written("a: {x: 1, y: 2}\n", [Decision(("a",), {"y": 5, "v": 1})])
    assert flow == "a: {y: 5, v: 1}\n"
    kept = written(text, [Decision(("a", "x"), KEPT, ("why",))])
    assert kept == text.replace("  x", "  # churn init: why\n  x")


@pytest.mark.slow
def test_without_known_names_there_are_no_scores(tmp_path: Path) -> None:
    frame = shop().rename(columns={"days_since_last": "x1", "orders": "x2", "spent": "x3"})
    frame.to_csv(tmp_path / "shop.csv", index=False)
    asker = Asker("shop.csv", True, has_terminal=False)
    table = describe(read(tmp_path / "shop.csv"), Wishes(), asker)
    found = {decision.path: decision for decision in choices.decide(table, "data/shop.csv")}
    assert found["features", "rfm"].value is None
    assert (
        "no numeric column has a name for recency, frequency, monetary"
        in found["features", "rfm"].why[0]
    )


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a: {b: 1, c: 2}  # both\n", ("a", "b"), 3, "a: {b: 3, c: 2}  # both\n"),
        ("a:\n- x\n- y\nb: 1\n", ("a",), ["z"], "a: [z]\nb: 1\n"),
        ("a:\n  - {b: 1, c: {d: 2}}\n", ("a", 0, "c", "d"), 5, "a:\n  - {b: 1, c: {d: 5}}\n"),
        (
            "a:\n  - b: x\n    # of c\n    c: {d: 2}\n  - b: y\n",
            ("a", 0, "c", "d"), 5,
            "a:\n  - b: x\n    # of c\n    c: {d: 5}\n  - b: y\n",
        ),
        ("a:\n  b: 'x # y'   # z\n", ("a", "b"), "w", "a:\n  b: w         # z\n"),
        ("a:\n  b: 1\n", ("a", "c"), None, "a:\n  b: 1\n  c: null\n"),
        ("a:\n  b: 1\n", ("a", "b"), True, "a:\n  b: true\n"),
        ("a:\n  b: 1\n", ("a", "b"), 1e-5, "a:\n  b: 1.0e-05\n"),
        ("a:\n  b: 1\n", ("a", "b"), ["x" * 60, "y" * 60],
         f"a:\n  b:\n    - {'x' * 60}\n    - {'y' * 60}\n"),
    ],
)  # fmt: skip
def test_a_value_is_set_in_any_layout_of_lines(
    text: str, path: tuple[str | int, ...], value: Any, expected: str
) -> None:
    assert written(text, [Decision(path, value)]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a:\n  b: |\n    b: text\n  c:\n    d: 1\n",
        "a:\n  x: 'one\n    c: two'\n  c:\n    d: 1\n",
    ],
)
def test_a_layout_in_which_it_cannot_be_set_is_refused_or_right(text: str) -> None:
    document = yaml.safe_load(text)
    document["a"]["c"]["d"] = 2
    with contextlib.suppress(ParamsError):
        assert yaml.safe_load(written(text, [Decision(("a", "c", "d"), 2)])) == document


def test_a_layout_in_which_another_value_would_change_is_refused() -> None:
    text = "a: &x\n  c:\n    d: 1\nb: *x\n"
    with pytest.raises(ParamsError, match="in a line of its own"):
        written(text, [Decision(("b", "c", "d"), 2)])
