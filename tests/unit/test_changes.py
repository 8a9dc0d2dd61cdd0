"""What a pull request changes in params.yaml."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from typing import Any

import pytest
import yaml

from churn.core.params import flatten
from churn.review.proposal import parameter_changes, texts
from tests.conftest import PARAMS


def changes(before: str, after: str) -> dict[str, tuple[str, str, bool]]:
    found = parameter_changes(texts(yaml.safe_load(before)), texts(yaml.safe_load(after)))
    return {one.key: (one.before, one.after, one.limit) for one in found}


CHECKS = """
checks:
  model:
    - {check: First, conditions: {less: 1}}
    - {check: Second, arguments: {n: 5}, conditions: {less: 2}}
    - {check: Third, conditions: {none: null}}
"""


def test_equal_documents_have_no_changes() -> None:
    document = yaml.safe_load(PARAMS.read_text())
    assert parameter_changes(texts(document), texts(document)) == []


def test_values_are_written_as_yaml_has_them() -> None:
    found = changes(
        "{a: {x: 1, y: true, z: null, list: [p, q]}, gone: 1}",
        "{a: {x: 2, y: false, z: text, list: [p]}, fresh: 0.5}",
    )
    assert found == {
        "a.x": ("1", "2", False),
        "a.y": ("true", "false", False),
        "a.z": ("null", "text", False),
        "a.list": ("p, q", "p", False),
        "gone": ("1", "absent", False),
        "fresh": ("absent", "0.5", False),
    }


def test_lists_and_mappings_of_a_hyperparameter_are_compared() -> None:
    found = changes(
        "{class_weight: balanced, monotonic_cst: [1, 0], same: {0: 1, 1: 2}}",
        "{class_weight: {0: 1, 1: 5}, monotonic_cst: [1, -1], same: {'0': 1, '1': 2}}",
    )
    assert found == {
        "class_weight": ("balanced", "absent", False),
        "class_weight.0": ("absent", "1", False),
        "class_weight.1": ("absent", "5", False),
        "monotonic_cst": ("1, 0", "1, -1", False),
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [("1", "'1'"), ("true", "'true'"), ("null", "'null'"), ("0.5", "'0.5'"), ("-1", "'-1'")],
)
def test_a_value_that_becomes_text_is_a_change(before: str, after: str) -> None:
    found = changes(f"a: {before}", f"a: {after}")
    assert found == {"a": (before, f'"{before}"', False)}


def test_a_text_that_is_called_absent_is_there() -> None:
    assert changes("a: absent", "{}") == {"a": ('"absent"', "absent", False)}


def test_a_check_that_is_removed_does_not_shift_the_others() -> None:
    fewer = CHECKS.replace("    - {check: First, conditions: {less: 1}}\n", "")
    assert changes(CHECKS, fewer) == {"checks.model.First.conditions.less": ("1", "absent", True)}
    assert changes(fewer, CHECKS) == {"checks.model.First.conditions.less": ("absent", "1", True)}


def test_checks_in_another_order_are_the_same() -> None:
    lines = CHECKS.strip("\n").split("\n")
    turned = "\n".join([*lines[:2], *reversed(lines[2:])])
    assert changes(CHECKS, turned) == {}


def test_a_condition_of_a_check_is_named_by_the_check() -> None:
    found = changes(CHECKS, CHECKS.replace("less: 2", "less: 3"))
    assert found == {"checks.model.Second.conditions.less": ("2", "3", True)}


def test_the_last_check_that_is_removed_leaves_a_trace() -> None:
    assert changes("checks: {model: [{check: A, conditions: {x: null}}]}", "checks: {model: []}")


def test_two_checks_of_one_name_are_two() -> None:
    two = "checks: {model: [{check: A, conditions: {x: 1}}, {check: A, conditions: {x: 2}}]}"
    one = "checks: {model: [{check: A, conditions: {x: 1}}]}"
    assert changes(two, one) == {"checks.model.A'.conditions.x": ("2", "absent", True)}


def test_a_ratio_that_is_removed_is_one_change_of_its_own() -> None:
    before = "features: {ratios: [{numerator: a, denominator: b}, {numerator: c, denominator: d}]}"
    after = "features: {ratios: [{numerator: c, denominator: d}]}"
    assert sorted(changes(before, after)) == [
        "features.ratios.a/b.denominator",
        "features.ratios.a/b.numerator",
    ]


def leaves() -> list[str]:
    document: dict[str, Any] = yaml.safe_load(PARAMS.read_text())
    return [key for key in flatten(document) if not any(part.isdigit() for part in key.split("."))]


@pytest.mark.slow
@pytest.mark.parametrize("key", leaves())
def test_who_moves_a_limit_is_told_so(key: str) -> None:
    before: dict[str, Any] = yaml.safe_load(PARAMS.read_text())
    after: dict[str, Any] = yaml.safe_load(PARAMS.read_text())
    *parents, last = key.split(".")
    reduce(getitem, parents, after)[last] = "other"
    [one] = parameter_changes(texts(before), texts(after))
    limits = ("gates", "checks", "comparison", "release", "split", "task")
    # Who is held out, and what is churn.
    whose = ("data.path", "data.id", "data.target", "data.positive", "data.classes")
    decides = key.startswith((*limits, *whose)) or "slices" in key or "cost_" in key
    assert one.limit == decides


def test_every_gate_that_is_removed_is_a_limit() -> None:
    document = yaml.safe_load(PARAMS.read_text())
    fewer = yaml.safe_load(PARAMS.read_text())
    fewer["gates"]["slice_margins"] = {}
    fewer["gates"]["minima"] = {}
    found = parameter_changes(texts(document), texts(fewer))
    assert [one.key for one in found] == [
        "gates.minima.roc_auc",
        "gates.minima.average_precision",
        "gates.slice_margins.roc_auc",
        "gates.slice_margins.brier",
    ]
    assert all(one.limit and one.after == "absent" for one in found)
