"""A search goes on where its inputs are the same, and begins anew where one is not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from churn.core import params
from churn.core.errors import ArtifactError
from churn.core.files import read_parquet, write_parquet
from churn.core.paths import Workspace
from churn.tune import records
from churn.tune.records import Records, Trial
from tests.unit.tune.conftest import load

TRIAL = Trial(
    number=0,
    state="complete",
    suggested={"learning_rate": 0.123456, "max_features": None},
    hyperparameters={"learning_rate": 0.123, "max_features": None},
    values=[None, 0.5],
    rule=0.3,
)
PREDICTIONS = pd.DataFrame({"probability": [0.25, 0.5], "fold": [0, 1]}, index=[7, 3])


def opened(project: Workspace, **overrides: Any) -> tuple[Records, list[str]]:
    """Open the search with other parameters, and return what it says."""
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    said: list[str] = []
    settings = params.load(project.params, dotted)
    return records.open_search(project, records.identify(project, settings), said.append), said


@pytest.mark.slow
def test_a_candidate_is_read_as_it_was_written(project: Workspace) -> None:
    found, said = opened(project)
    assert said == []
    assert found.trials() == []
    found.write(TRIAL, PREDICTIONS)
    assert found.trials() == [TRIAL]
    pd.testing.assert_frame_equal(found.predictions(TRIAL), PREDICTIONS, check_names=False)


@pytest.mark.slow
def test_it_goes_on_with_more_candidates_or_more_time(project: Workspace) -> None:
    opened(project)[0].write(TRIAL, PREDICTIONS)
    for more in ({}, {"tune__trials": 99}, {"tune__timeout_s": 9.5}, {"gates__undecided": "ask"}):
        found, [said] = opened(project, **more)
        assert "going on" in said
        assert said.endswith("which has 1 candidates")
        assert found.trials() == [TRIAL]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        ({"tune__seed": 5}, "space"),
        ({"tune__space": {"max_depth": {"low": 1, "high": 2}}}, "space"),
        ({"tune__folds": 4}, "space"),
        ({"tune__metric": "cost"}, "space"),
        ({"model__hyperparameters": {"max_iter": 13}}, "parameters"),
        ({"features__rfm": None}, "parameters"),
        ({"decision__cost_false_negative": 9.0}, "parameters"),
    ],
)
def test_other_parameters_begin_a_new_one_and_keep_the_old(
    overrides: dict[str, Any], part: str, project: Workspace
) -> None:
    first = opened(project)[0]
    first.write(TRIAL, PREDICTIONS)
    found, [said] = opened(project, **overrides)
    assert said == f"tune: a new search, because of other {part}; the last one is in {first.folder}"
    assert found.trials() == []
    assert opened(project)[0].trials() == [TRIAL]


@pytest.mark.slow
def test_other_rows_or_other_code_begin_a_new_one(project: Workspace) -> None:
    opened(project)[0].write(TRIAL, PREDICTIONS)
    rows = read_parquet(project.split("train"), "prepare")
    write_parquet(project.split("train"), rows.iloc[1:])
    assert "because of other data;" in opened(project)[1][0]
    (project.root / "src/churn/tune/space.py").write_text("x = 2\n")
    write_parquet(project.split("train"), rows)
    found, [said] = opened(project)
    assert "because of other" in said
    assert "code" in said
    assert found.trials() == []


@pytest.mark.slow
def test_the_held_out_customers_are_no_part_of_it(project: Workspace) -> None:
    settings = load(project)
    before = records.identify(project, settings)
    project.split("test").unlink()
    assert records.identify(project, settings) == before


@pytest.mark.slow
def test_a_damaged_candidate_is_refused(project: Workspace) -> None:
    found, _ = opened(project)
    found.write(TRIAL, PREDICTIONS)
    (found.folder / "0000/trial.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"trial\.json: not what `churn tune` writes"):
        found.trials()
