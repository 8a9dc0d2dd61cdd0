"""How a model is stored and loaded."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from churn.core.errors import ArtifactError, ParamsError
from churn.core.files import write_parquet
from churn.core.params import Family, Params
from churn.core.paths import Workspace
from churn.model import artifact, estimator
from churn.model.artifact import CARD_FILE, PIPELINE_FILE, Model
from churn.provenance.candidate import model_digest
from churn.stages import train
from tests.binary import FAMILIES, OUTPUT
from tests.exhaustive import rest_by_night

FEW = {"random_forest": {"n_estimators": 5}, "gradient_boosting": {"n_estimators": 5}}


@pytest.fixture
def copied(stored: Path, tmp_path: Path) -> Path:
    """Return a copy of the stored model that a test may damage."""
    return Path(shutil.copytree(stored, tmp_path / "model"))


def refusal(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        artifact.load(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}: ")
    return message.removeprefix(f"{folder}: ")


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_each_family_predicts_the_same_after_loading(
    family: Family, planned: pd.DataFrame, small: Params, tmp_path: Path
) -> None:
    chosen = small.model.model_copy(
        update={"family": family, "hyperparameters": FEW.get(family, {})}
    )
    fitted = train.fit(planned, small.model_copy(update={"model": chosen})).model
    artifact.save(fitted, tmp_path / "model")
    loaded = artifact.load(tmp_path / "model")
    assert loaded.card == fitted.card
    np.testing.assert_array_equal(loaded.scores(planned), fitted.scores(planned))


@pytest.mark.slow
def test_the_same_training_gives_the_same_bytes(
    stored: Path, planned: pd.DataFrame, small: Params, tmp_path: Path
) -> None:
    artifact.save(train.fit(planned.copy(), small).model, tmp_path / "again")
    assert model_digest(tmp_path / "again") == model_digest(stored)


def test_storing_a_loaded_model_gives_the_same_bytes(stored: Path, tmp_path: Path) -> None:
    artifact.save(artifact.load(stored), tmp_path / "again")
    assert model_digest(tmp_path / "again") == model_digest(stored)


@pytest.mark.slow
def test_another_model_gives_other_bytes(
    stored: Path, planned: pd.DataFrame, small: Params, tmp_path: Path
) -> None:
    artifact.save(train.fit(planned.iloc[1:], small).model, tmp_path / "other")
    assert model_digest(tmp_path / "other") != model_digest(stored)


def test_no_dates_and_no_object_addresses_are_stored(stored: Path) -> None:
    with zipfile.ZipFile(stored / PIPELINE_FILE) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        schema = json.loads(archive.read("schema.json"))
        names = archive.namelist()[1:]
    ids: set[int] = set()

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            ids.update([node["__id__"]] if "__id__" in node else [])
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, (dict, list)):
                collect(child)

    collect(schema)
    assert ids == set(range(len(ids)))
    assert [Path(name).stem for name in names] == [str(number) for number in range(len(names))]


def test_the_card_says_what_goes_in_and_what_is_made_of_it(model: Model, small: Params) -> None:
    card = model.card
    assert (card.id, card.target) == ("customer_id", "churned")
    assert (*card.numeric, *card.categorical) == small.data.inputs
    assert (card.strategy, card.threshold) == ("fixed", 0.4)
    assert "ratio__recency_days/frequency" in card.features
    assert len(card.features) == 8 + 4 + 4 + 4  # raw, ratios, scores and sum, plans


def test_the_decision_is_made_at_the_threshold(model: Model, planned: pd.DataFrame) -> None:
    shuffled = planned.sample(frac=1, random_state=1)
    predicted = model.predict(shuffled)
    assert predicted.index.equals(shuffled.index)
    assert predicted["probability"].between(0, 1).all()
    np.testing.assert_array_equal(predicted["prediction"], predicted["probability"] >= 0.4)
    assert set(predicted["prediction"]) == {0, 1}


def test_other_columns_are_left_out(model: Model, planned: pd.DataFrame) -> None:
    more = planned.assign(note="x")[["note", *reversed(planned.columns)]]
    np.testing.assert_array_equal(model.scores(more), model.scores(planned))


@pytest.mark.slow
@pytest.mark.parametrize(
    "missing",
    [
        pd.Series([None], dtype=object),
        pd.Series([np.nan], dtype=object),
        pd.Series([pd.NA], dtype="string"),
        pd.Series([pd.NA], dtype=object),
        pd.Series([None], dtype="category"),
    ],
    ids=["None", "NaN", "NA", "NA among objects", "category"],
)
def test_a_missing_category_is_missing_however_it_is_written(
    missing: pd.Series, planned: pd.DataFrame, small: Params
) -> None:
    logistic = small.model.model_copy(
        update={"family": "logistic_regression", "hyperparameters": {}}
    )
    # Who has no plan churns here, so that a missing plan and an unseen one are worlds apart.
    told = planned.assign(churned=planned["plan"].isna().astype("int8"))
    fitted = train.fit(told, small.model_copy(update={"model": logistic})).model
    customer = planned.head(1).reset_index(drop=True)
    expected = fitted.scores(customer.assign(plan=pd.Series([np.nan], dtype="str")))
    np.testing.assert_array_equal(fitted.scores(customer.assign(plan=missing)), expected)
    assert fitted.scores(customer.assign(plan="never seen")) != expected


TREES = {
    "ccp_alpha": 0.001,
    "criterion": "friedman_mse",
    "max_depth": 3,
    "max_features": 0.5,
    "max_leaf_nodes": 7,
    "min_impurity_decrease": 0.001,
    "min_samples_leaf": 5,
    "min_samples_split": 9,
    "min_weight_fraction_leaf": 0.01,
    "n_estimators": 7,
}
WEIGHTS = {"0": 1, "1": 5}
# For each family one value, other than the default, of each hyperparameter that may be given, and
# what else it needs.
GIVEN: dict[Family, dict[str, Any]] = {
    "logistic_regression": {
        "C": 0.5,
        "class_weight": WEIGHTS,
        "dual": (True, {"solver": "liblinear"}),
        "fit_intercept": False,
        "intercept_scaling": (2.0, {"solver": "liblinear"}),
        "l1_ratio": (0.5, {"solver": "saga"}),
        "max_iter": 200,
        "n_jobs": 1,
        "penalty": (None, {}),
        "solver": "newton-cholesky",
        "tol": 0.01,
    },
    "random_forest": {
        **TREES,
        "bootstrap": False,
        "class_weight": WEIGHTS,
        "criterion": "entropy",
        "max_samples": 0.5,
        "monotonic_cst": [1] + [0] * 15,
        "n_jobs": 1,
        "oob_score": True,
    },
    "gradient_boosting": {
        **TREES,
        "criterion": "squared_error",
        "learning_rate": 0.2,
        "loss": "exponential",
        "n_iter_no_change": 2,
        "subsample": 0.5,
        "tol": (0.01, {"n_iter_no_change": 2}),
        "validation_fraction": (0.2, {"n_iter_no_change": 2}),
    },
    "hist_gradient_boosting": {
        "class_weight": WEIGHTS,
        "early_stopping": True,
        "interaction_cst": [[0, 1], [2]],
        "l2_regularization": 2.0,
        "learning_rate": 0.2,
        "loss": "log_loss",
        "max_bins": 31,
        "max_depth": 2,
        "max_features": 0.5,
        "max_iter": 9,
        "max_leaf_nodes": 5,
        "min_samples_leaf": 9,
        "monotonic_cst": [1] + [0] * 15,
        "n_iter_no_change": (2, {"early_stopping": True}),
        "tol": (0.01, {"early_stopping": True}),
        "validation_fraction": (0.2, {"early_stopping": True}),
    },
}


def of(family: Family, hyperparameters: dict[str, Any], settings: Params) -> Params:
    model = {"family": family, "hyperparameters": hyperparameters}
    chosen = settings.model.model_copy(update=model)
    return settings.model_copy(update={"model": chosen})


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # a few iterations do not converge, and need not
@pytest.mark.parametrize("family", rest_by_night(FAMILIES, ["hist_gradient_boosting"]))
def test_a_model_with_any_valid_hyperparameter_can_be_stored_and_loaded(
    family: Family, customers: pd.DataFrame, settings: Params, tmp_path: Path
) -> None:
    data = settings.data
    fixed = settings.decision.model_copy(update={"strategy": "fixed"})
    settings = settings.model_copy(update={"decision": fixed})
    with pytest.raises(ParamsError) as caught:
        estimator.build(OUTPUT, data, settings.features, of(family, {"": 1}, settings).model)
    assert set(GIVEN[family]) == set(str(caught.value).partition("valid: ")[2][:-1].split(", "))
    for name, given in GIVEN[family].items():
        value, more = given if isinstance(given, tuple) else (given, {})
        chosen = of(family, FEW.get(family, {"max_iter": 20}) | more | {name: value}, settings)
        fitted = train.fit(customers, chosen).model
        artifact.save(fitted, tmp_path / name)
        loaded = artifact.load(tmp_path / name)
        np.testing.assert_array_equal(loaded.scores(customers), fitted.scores(customers))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scoring": "roc_auc", "early_stopping": True}, "cannot be stored (RecursionError: "),
        ({"categorical_features": [6]}, "could not be loaded again (it holds functools.partial, "),
    ],
)
def test_a_model_that_cannot_be_stored_is_refused_with_its_hyperparameters(
    given: dict[str, Any],
    message: str,
    customers: pd.DataFrame,
    settings: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whatever else a later scikit-learn takes, it is stored or refused.
    monkeypatch.setattr(estimator, "NOT_FOR_USERS", frozenset())
    fixed = settings.decision.model_copy(update={"strategy": "fixed"})
    chosen = of("hist_gradient_boosting", {"max_iter": 5} | given, settings)
    workspace = Workspace(tmp_path)
    write_parquet(workspace.split("train"), customers)
    with pytest.raises(ParamsError) as caught:
        train.write(workspace, chosen.model_copy(update={"decision": fixed}))
    shown = ", ".join(f"{name}: {value}" for name, value in ({"max_iter": 5} | given).items())
    assert str(caught.value).startswith(
        f"model.hyperparameters: hist_gradient_boosting with {shown} {message}"
    )
    assert not workspace.model.exists()


def test_a_folder_that_is_there_is_not_overwritten(model: Model, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        artifact.save(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_is_named(copied: Path) -> None:
    (copied / PIPELINE_FILE).unlink()
    assert refusal(copied).startswith("no model there (pipeline.skops is missing)")
    (copied / CARD_FILE).unlink()
    assert refusal(copied).startswith("no model there (model.json is missing)")
    assert refusal(copied / "absent").startswith("no model there (model.json is missing)")


def test_a_file_in_place_of_a_folder_is_refused(stored: Path) -> None:
    assert refusal(stored / CARD_FILE).startswith("no model there")


@pytest.mark.parametrize("part", [0, 100, 0.5, 0.99])
def test_a_truncated_pipeline_is_refused(part: float, copied: Path) -> None:
    content = (copied / PIPELINE_FILE).read_bytes()
    kept = int(part * len(content)) if part < 1 else int(part)
    (copied / PIPELINE_FILE).write_bytes(content[:kept])
    assert refusal(copied).startswith("damaged (")


@pytest.mark.slow
def test_a_pipeline_with_other_bytes_loads_as_it_was_or_is_refused(
    copied: Path, model: Model, planned: pd.DataFrame
) -> None:
    content = (copied / PIPELINE_FILE).read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for place in rng.integers(len(content), size=40):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (copied / PIPELINE_FILE).write_bytes(damaged)
        try:
            loaded = artifact.load(copied)
        except ArtifactError:
            refused += 1
        else:  # a byte that nothing depends on
            np.testing.assert_array_equal(loaded.scores(planned), model.scores(planned))
    assert refused > 20


@pytest.mark.parametrize(
    "change", [{"threshold": "high"}, {"note": "x"}, {"threshold": None}, {"numeric": "age"}]
)
def test_a_card_that_does_not_fit_is_refused(change: dict[str, Any], copied: Path) -> None:
    card = json.loads((copied / CARD_FILE).read_text())
    (copied / CARD_FILE).write_text(json.dumps(card | change))
    assert refusal(copied).startswith("damaged (")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (StandardScaler(), "its StandardScaler predicts no probabilities"),
        (make_pipeline(StandardScaler()), "its Pipeline predicts no probabilities"),
        (LinearRegression(), "its LinearRegression predicts no probabilities"),
        ({"model": 1}, "its dict predicts no probabilities"),
    ],
    ids=["transformer", "pipeline of transformers", "regression", "no estimator"],
)
def test_what_predicts_no_probabilities_is_refused(other: Any, why: str, copied: Path) -> None:
    skops.io.dump(other, copied / PIPELINE_FILE)
    assert refusal(copied) == f"not a churn model ({why}); train it again"


@pytest.mark.parametrize("fitted", [True, False])
def test_a_classifier_of_other_columns_is_refused(fitted: bool, copied: Path) -> None:
    other = LogisticRegression()
    if fitted:
        other.fit(pd.DataFrame({"a": [0.0, 1.0]}), [0, 1])
    skops.io.dump(other, copied / PIPELINE_FILE)
    assert "does not take the columns of model.json" in refusal(copied)


def leave_a_trace(X: Any) -> Any:
    Path("executed").touch()
    return X


def test_a_type_that_is_not_trusted_is_refused_and_not_run(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    foreign = make_pipeline(FunctionTransformer(leave_a_trace))
    skops.io.dump(foreign, copied / PIPELINE_FILE)
    assert refusal(copied).startswith("refused: ")
    assert not (copied / "executed").exists()


def test_a_file_that_is_no_part_of_a_model_is_refused(stored: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stored, tmp_path / "model")
    (folder / "more.py").write_text("")
    with pytest.raises(ArtifactError, match=r"more\.py is not part of a model"):
        artifact.load(folder)
    (folder / "more.py").unlink()
    (folder / "__pycache__").mkdir()
    with pytest.raises(ArtifactError, match="__pycache__ is not part of a model"):
        artifact.load(folder)
