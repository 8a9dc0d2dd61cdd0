"""Main's limits, read by the code of a change that may know other keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from churn.core.errors import BaselineError
from churn.core.params import Limits, Params, RegressionDecision
from churn.review import limits
from tests.conftest import PARAMS
from tests.unit.repositories import commit, write


@pytest.fixture
def document() -> dict[str, Any]:
    return yaml.safe_load(PARAMS.read_text())


def of_main(root: Path, document: Any, settings: Params) -> Limits:
    write(root, {"params.yaml": yaml.safe_dump(document)})
    return limits.of_commit(root, commit(root), settings)


def test_the_same_limits_are_the_same(
    repository: Path, document: dict[str, Any], settings: Params
) -> None:
    main = of_main(repository, document, settings)
    assert main.whose == "main"
    assert limits.own(settings).same_as(main)


@pytest.mark.parametrize(
    "path",
    [
        ("gates", "minima", "roc_auc"),
        ("gates", "margins", "cost"),
        ("comparison", "max_rows"),
        ("decision", "cost_false_negative"),
        ("evaluation", "slices", "bins"),
        ("checks", "max_rows"),
    ],
    ids=".".join,
)
def test_each_limit_of_main_counts(
    path: tuple[str, ...], repository: Path, document: dict[str, Any], settings: Params
) -> None:
    node: Any = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = node[path[-1]] / 2 if isinstance(node[path[-1]], float) else 300
    if path[-1] == "bins":
        node["bins"] = 5
    main = of_main(repository, document, settings)
    assert not limits.own(settings).same_as(main)
    found: Any = main
    for key in path:
        found = found[key] if isinstance(found, dict) else getattr(found, key)
    assert found == node[path[-1]]


def test_a_limit_that_main_leaves_to_its_default_is_not_the_candidate_s(
    repository: Path, document: dict[str, Any], settings: Params
) -> None:
    costs = {"folds": 5, "max_rows": 1000}
    document |= {"task": "regression", "decision": costs}
    cheap = settings.model_copy(
        update={"task": "regression", "decision": RegressionDecision(**costs, cost_too_low=0.1)}
    )
    main = of_main(repository, document, cheap)
    assert isinstance(main.decision, RegressionDecision)
    assert main.decision.cost_too_low == 1.0
    assert not limits.own(cheap).same_as(main)


def test_what_judges_nobody_is_the_business_of_the_change(
    repository: Path, document: dict[str, Any], settings: Params
) -> None:
    document["decision"] |= {"strategy": "fixed", "threshold": 0.9}
    document["evaluation"]["importance"]["repeats"] = 1
    document["model"]["seed"] = 7
    assert limits.own(settings).same_as(of_main(repository, document, settings))


def test_a_key_that_this_code_does_not_know_limits_nothing(
    repository: Path, document: dict[str, Any], settings: Params
) -> None:
    document["gates"]["incomparable_baseline"] = "block"
    document["comparison"]["method"] = "bootstrap"
    assert limits.own(settings).same_as(of_main(repository, document, settings))


def test_a_key_that_main_does_not_have_yet_is_the_change_s(
    repository: Path, document: dict[str, Any], settings: Params
) -> None:
    del document["gates"]["slice_margins"], document["comparison"]["max_rows"]
    assert limits.own(settings).same_as(of_main(repository, document, settings))


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.pop("gates"),
        lambda d: d.update(gates=[]),
        lambda d: d["gates"].update(minima={"roc_auc": 2}),
        lambda d: d["gates"].update(minima={"loss": 0.1}),
        lambda d: d["evaluation"].pop("slices"),
        lambda d: d.update(decision=None),
    ],
)
def test_limits_that_cannot_be_read_are_an_error(
    edit: Any, repository: Path, document: dict[str, Any], settings: Params
) -> None:
    edit(document)
    with pytest.raises(BaselineError, match=r"params.yaml of \w{12}: its limits cannot be read"):
        of_main(repository, document, settings)


@pytest.mark.parametrize("text", ["", "gates: [", "- 1", "a: &a [*a]"])
def test_params_that_are_none_have_no_limits(text: str, repository: Path, settings: Params) -> None:
    write(repository, {"params.yaml": text})
    with pytest.raises(BaselineError, match="its limits cannot be read"):
        limits.of_commit(repository, commit(repository), settings)


DATA = {"id": "client", "target": "left", "numeric": ["orders"], "categorical": ["land"]}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("client,orders,land,left", False),
        ("client, orders ,land,age,left", False),  # read as that name; and one more
        ("customer,orders,land,left", True),
        ("client,orders,land,churned", True),
        ("client,visits,land,left", True),
        ("", False),  # unreadable
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_replaces_main_s_if_a_column_of_its_model_is_missing(
    header: str, found: bool, suffix: str, repository: Path, settings: Params
) -> None:
    write(repository, {"params.yaml": yaml.safe_dump({"data": DATA})})
    main = commit(repository)
    file = repository / f"data/shop.{suffix}"
    file.parent.mkdir()
    if suffix == "csv" or not header:
        file.write_text(f"{header}\n" if header else "")
    else:
        pd.DataFrame({name: [1] for name in header.split(",")}).to_parquet(file, index=False)
    # What params.yaml names is no reason: only the file is.
    data = settings.data.model_copy(update={"path": f"data/shop.{suffix}", "numeric": ("age",)})
    assert limits.replaces(repository, main, data) is found


@pytest.mark.parametrize("text", ["data: [", "data: {id: null}\n", "- 1\n", "{}\n"])
def test_a_table_replaces_nothing_where_main_s_columns_cannot_be_read(
    text: str, repository: Path, settings: Params
) -> None:
    write(repository, {"params.yaml": text, "data/shop.csv": "a,b\n1,2\n"})
    data = settings.data.model_copy(update={"path": "data/shop.csv"})
    assert not limits.replaces(repository, commit(repository), data)
    missing = data.model_copy(update={"path": "data/none.csv"})
    assert not limits.replaces(repository, commit(repository), missing)
