"""params.yaml: what is accepted, and how what is not is refused."""

from __future__ import annotations

import datetime
import doctest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import Params, whole
from tests.conftest import PARAMS, ROOT

SHIPPED = PARAMS


def refusal(overrides: dict[str, Any]) -> str:
    """Return the message with which the shipped parameters and `overrides` are refused."""
    with pytest.raises(ParamsError) as caught:
        params.load(SHIPPED, overrides)
    return str(caught.value).removeprefix(f"{SHIPPED}: ")


def test_the_shipped_file_is_valid_and_names_the_columns_in_order(settings: Params) -> None:
    assert settings.data.inputs == (*settings.data.numeric, *settings.data.categorical)
    assert settings.data.inputs[0] == "recency_days"


@pytest.mark.parametrize(
    ("key", "valid"),
    [
        (
            "modell",
            "task, data, split, train, features, model, decision, evaluation, checks, comparison,"
            " gates, release, serve, monitor, tune, retrain, batch, card",
        ),
        (
            "data.nummeric",
            "numeric, dates, categorical, path, id, target, positive, classes, missing, csv,"
            " source, min_share, max_label_shift",
        ),
        ("split.seed", "test_share, salt"),
        ("features.rfm.money", "recency, frequency, monetary"),
        ("model.max_depth", "family, seed, hyperparameters"),
        ("evaluation.slices.bin", "numeric, categorical, bins, min_rows, protected"),
        ("tune.trails", "trials, timeout_s, metric, folds, seed, space"),
        ("gates.maxima", "minima, margins, slice_margins, fairness, undecided, accept"),
    ],
)
def test_an_unknown_key_is_refused_with_the_valid_ones(key: str, valid: str) -> None:
    assert refusal({key: 1}) == f"{key}: unknown key (valid: {valid})"


def test_a_source_that_is_a_mapping_is_described_by_its_keys() -> None:
    assert refusal({"data.source": {"repo": "r", "path": "p", "folder": 1}}) == (
        "data.source.folder: unknown key (valid: repo, path, rev)"
    )
    assert refusal({"data.source": {"repo": "r"}}) == "data.source.path: missing"
    assert refusal({"data.source": {"repo": 1, "path": "p"}}).startswith("data.source.repo: ")


@pytest.mark.parametrize(
    ("key", "entry", "valid"),
    [
        (
            "features.ratios",
            {"numerator": "age", "denominator": "age", "plus": 1},
            "numerator, denominator",
        ),
        (
            "checks.model",
            {"check": "RocReport", "conditions": {"auc_greater_than": 0.7}, "level": "high"},
            "check, arguments, conditions",
        ),
    ],
)
def test_an_unknown_key_in_a_list_is_refused_with_its_place(
    key: str, entry: dict[str, Any], valid: str
) -> None:
    unknown = list(entry)[-1]
    assert refusal({key: [entry]}) == f"{key}.0.{unknown}: unknown key (valid: {valid})"


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("split.test_share", "0.2", "should be a valid number, not '0.2'"),
        ("split.test_share", 0, "should be greater than 0, not 0"),
        ("split.test_share", 1, "should be less than 1, not 1"),
        ("features.rare_category_share", 1, "should be less than 1, not 1"),
        ("model.seed", True, "should be a valid integer, not True"),
        ("model.seed", 42.0, "should be a valid integer, not 42.0"),
        ("model.seed", -1, "should be greater than or equal to 0, not -1"),
        ("model.family", "xgboost", "'logistic_regression', 'ridge', 'random_forest'"),
        ("decision.strategy", "best", "'fixed', 'cost' or 'f1'"),
        ("decision.threshold", float("nan"), "should be a finite number, not nan"),
        ("decision.threshold", 1.5, "should be less than or equal to 1, not 1.5"),
        ("decision.cost_false_negative", float("inf"), "should be a finite number, not inf"),
        ("decision.folds", 1, "should be greater than or equal to 2, not 1"),
        ("data", None, "should be an object, not None"),
        ("data.numeric", "age", "should be a valid array, not 'age'"),
        ("gates.minima.auc", 0.5, "'roc_auc'"),
        ("gates.minima.roc_auc", 1.1, "should be less than or equal to 1, not 1.1"),
    ],
)
def test_a_mistyped_value_is_refused_with_its_key(key: str, value: Any, what: str) -> None:
    message = refusal({key: value})
    assert message.startswith(key)
    assert what in message


def test_a_value_that_is_no_single_one_is_refused_under_its_own_key() -> None:
    assert refusal({"data.positive": [1, 2]}).startswith("data.positive: Input should be")


@pytest.mark.parametrize(
    "value", [[1, 0, -1], [[0, 1], [2]], {"0": 1, "1": 5.5}, [], None, "balanced", True]
)
def test_a_hyperparameter_may_be_what_scikit_learn_takes(value: Any) -> None:
    loaded = params.load(SHIPPED, {"model.hyperparameters.x": value})
    assert loaded.model.hyperparameters["x"] == value


@pytest.mark.parametrize("value", [float("nan"), [0.5, float("inf")], {0: [float("nan")]}])
def test_a_hyperparameter_that_is_not_finite_is_refused(value: Any) -> None:
    message = refusal({"model.hyperparameters.x": value})
    assert message.startswith("model.hyperparameters.x: Input should be a finite number")


def test_one_label_s_weight_can_be_replaced() -> None:
    weights = {"model.hyperparameters.class_weight": {0: 1, 1: 5}}
    loaded = params.load(SHIPPED, weights | {"model.hyperparameters.class_weight.1": 3})
    assert loaded.model.hyperparameters["class_weight"] == {"0": 1, "1": 3}


def test_a_rare_share_of_zero_is_allowed() -> None:
    loaded = params.load(SHIPPED, {"features.rare_category_share": 0})
    assert loaded.features.rare_category_share == 0


# The names of metrics below these need no comment each.
_OF_METRICS = {"gates.minima", "gates.margins", "gates.slice_margins"}


def uncommented(text: str) -> list[str]:
    """List the keys without a comment on their line or on the line above.

    What stands within braces, in a list, or below a key whose own names are metrics, is covered by
    the comment of the key that it belongs to.
    """
    lines = text.splitlines()

    def bare(node: yaml.Node, prefix: str) -> Iterator[str]:
        if not isinstance(node, yaml.MappingNode) or node.flow_style:
            return
        for key, value in node.value:
            number = key.start_mark.line
            above = lines[number - 1].strip() if number else ""
            if " #" not in lines[number] and not above.startswith("#"):
                yield f"{prefix}{key.value}"
            if f"{prefix}{key.value}" not in _OF_METRICS:
                yield from bare(value, f"{prefix}{key.value}.")

    return list(bare(yaml.compose(text), ""))


def test_every_key_of_params_yaml_has_a_comment() -> None:
    assert uncommented((ROOT / "params.yaml").read_text()) == []


def test_a_key_without_a_comment_is_found() -> None:
    text = """
# above
a:
  b: 1  # beside
  c: 2
  d: {e: 1}  # f: 2
  g:
    - h: 1

gates:
  minima:  # metrics
    roc_auc: 0.7
  block:
    i: 1  # beside
"""
    assert uncommented(text) == ["a.c", "a.g", "gates", "gates.block"]


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    document = yaml.safe_load(SHIPPED.read_text())
    del document["split"]["salt"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ParamsError, match=r"params\.yaml: split\.salt: missing$"):
        params.load(tmp_path / "params.yaml")


def test_a_column_has_one_role() -> None:
    assert "column 'age' is named twice" in refusal({"data.categorical": ["age"]})
    assert "column 'churned' is named twice" in refusal({"data.id": "churned"})


def test_a_model_needs_a_column() -> None:
    message = refusal({"data.numeric": [], "data.categorical": []})
    assert "name at least one column in numeric, dates or categorical" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("features.ratios", [{"numerator": "age", "denominator": "plan"}]),
        ("features.rfm", {"recency": "age", "frequency": "frequency", "monetary": "plan"}),
        ("evaluation.slices.numeric", ["age", "plan"]),
    ],
)
def test_a_column_that_is_not_declared_is_refused_with_the_declared_ones(
    key: str, value: Any
) -> None:
    message = refusal({key: value, "data.categorical": ["plan"]})
    assert message.startswith(f"{key}: column 'plan' is not in data.numeric (valid: recency_days,")


def test_a_slice_of_an_undeclared_category_is_refused() -> None:
    message = refusal({"evaluation.slices.categorical": ["age"]})
    assert "column 'age' is not in data.categorical (valid: none)" in message


def test_a_check_without_a_condition_is_refused() -> None:
    message = refusal({"checks.model": [{"check": "RocReport", "conditions": {}}]})
    assert message.startswith("checks.model.0.conditions: ")


def test_overrides_replace_and_add() -> None:
    loaded = params.load(SHIPPED, {"data.path": "other.csv", "model.hyperparameters.max_bins": 31})
    assert loaded.data.path == "other.csv"
    assert loaded.model.hyperparameters["max_bins"] == 31
    assert loaded.model.hyperparameters["max_depth"] == 4  # as the file says


def test_an_override_below_a_single_value_is_refused() -> None:
    assert refusal({"data.path.folder": "x"}) == "data.path.folder: data.path is a single value"


def test_parameters_cannot_be_changed(settings: Params) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings.model.seed = 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data:\n  path: x\n - y\n", "line 3: not YAML"),
        (b"a: 1\n<<<<<<< HEAD\nb: 2\n=======\n", "merge-conflict marker in line 2; choose one"),
        (b"a: 1\nb: 2\n>>>>>>> other\n", "merge-conflict marker in line 3; choose one"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"", "has no sections"),
        (b"- data\n", "has no sections"),
        (b"2024-01-01: 3\n", "keys must be str"),
    ],
)
def test_a_file_that_holds_no_parameters_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    with pytest.raises(ParamsError, match=message) as caught:
        params.load(file)
    assert str(caught.value).startswith(f"{file}:")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="does not exist; run churn in the project's folder"):
        params.load(tmp_path / "params.yaml")


def test_flatten_gives_dotted_keys() -> None:
    nested = {
        "a": {"b": 1, "c": {"d": None}},
        "names": ["x", "y"],
        "name": ["x, y"],
        "blank": [""],
        "days": ["x, y", datetime.date(2026, 1, 31)],
        "none": [],
        "pairs": [{"over": "x"}, {"over": "y"}],
        "weights": {0: 1, 1: 5},
        "groups": [[0, 1], [2]],
    }
    assert params.flatten(nested) == {
        "a.b": 1,
        "a.c.d": None,
        "names": "x, y",
        "name": '["x, y"]',
        "blank": '[""]',
        "days": '["x, y", "2026-01-31"]',
        "none": "",
        "pairs.0.over": "x",
        "pairs.1.over": "y",
        "weights.0": 1,
        "weights.1": 5,
        "groups.0": "0, 1",
        "groups.1": "2",
    }


def test_the_examples_in_the_docstrings_hold() -> None:
    done = doctest.testmod(whole)
    assert done.attempted > 0
    assert done.failed == 0


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("model:\n  seed: 1\n  family: random_forest\n  seed: 2\n")
    with pytest.raises(ParamsError, match='line 4: not YAML: found duplicate key "seed"'):
        params.load(file)
