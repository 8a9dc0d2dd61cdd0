"""Which customers two models are compared on, and what is said where they cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from churn import baseline, compare, params
from churn.baseline import Baseline
from churn.candidate import model_digest
from churn.data import split
from churn.errors import ArtifactError, IncomparableError
from churn.evaluation.metrics import measure
from churn.model import artifact
from churn.params import Params
from churn.paths import Workspace
from churn.report import facts, markdown, mermaid
from churn.stages import train
from tests.conftest import ROOT
from tests.unit.repositories import commit


@dataclass(frozen=True)
class Pretended(Baseline):
    """A baseline that notes what it is asked for, and knows nothing."""

    said: dict[str, Any] = field(default_factory=dict)
    asked: list[pd.DataFrame] = field(default_factory=list)

    def card(self) -> dict[str, Any]:
        return {
            "id": "customer_id",
            "test_share": 0.2,
            "salt": "churn",
            "threshold": 0.35,
            "numeric": ["age", "fax_number"],
            "categorical": ["colour"],
        } | self.said

    def predict(self, rows: Path) -> pd.DataFrame:
        frame = pd.read_parquet(rows)
        self.asked.append(frame)
        return frame[["customer_id"]].assign(probability=frame["age"].fillna(0) / 200)


def pretended(**said: Any) -> Pretended:
    nowhere = Path("nowhere")
    return Pretended("main", "1" * 40, "stored", nowhere, nowhere, None, said=said)


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Return 4,000 customers."""
    rng = np.random.default_rng(1)
    age = rng.integers(18, 90, 4000).astype(float)
    return pd.DataFrame(
        {
            "customer_id": pd.Series([f"C{i:05}" for i in range(4000)], dtype="str"),
            "age": age,
            "recency_days": rng.random(4000),
            "days_since_signup": rng.random(4000),
            "support_tickets": rng.integers(0, 5, 4000).astype(float),
            "churned": (rng.random(4000) < age / 200).astype(np.int64),
        }
    )


@pytest.fixture
def candidate(many: pd.DataFrame, tmp_path: Path) -> compare._Candidate:
    """Return a candidate on those of them that it holds out."""
    return prepared(many, tmp_path)


def prepared(many: pd.DataFrame, root: Path, **overrides: Any) -> compare._Candidate:
    keys = {f"comparison.{key}": value for key, value in overrides.items()}
    settings = params.load(ROOT / "params.yaml", {"comparison.resamples": 1000, **keys})
    workspace = Workspace(root)
    held_out = split.is_test(many["customer_id"], 0.2, "churn")
    workspace.predictions("test").parent.mkdir(parents=True, exist_ok=True)
    many[~held_out].to_parquet(workspace.split("train"), index=False)
    test = many[held_out]
    test.to_parquet(workspace.split("test"), index=False)
    scored = test[["customer_id"]].assign(probability=0.1 + test["age"] / 150)
    scored.to_parquet(workspace.predictions("test"), index=False)
    workspace.model.mkdir(exist_ok=True)
    (workspace.model / "model.json").write_text("{}")
    workspace.reports.mkdir(exist_ok=True)
    workspace.metrics.write_text('{"threshold": 0.4}')
    return compare._Candidate(workspace, settings)


@pytest.mark.parametrize(
    ("salt", "share"),
    [
        ("churn", 0.2),
        ("churn", 0.1),
        ("churn", 0.5),
        ("other", 0.2),
        ("other", 0.8),
        ("", 0.3),
    ],
)
def test_a_baseline_is_never_scored_on_customers_that_it_was_trained_on(
    salt: str, share: float, many: pd.DataFrame, candidate: compare._Candidate
) -> None:
    found = pretended(salt=salt, test_share=share)
    rows, scored = compare._score(found, candidate)

    of_baseline = set(many["customer_id"][~split.is_test(many["customer_id"], share, salt)])
    of_candidate = set(candidate.train["customer_id"])
    seen = set(rows["customer_id"])
    assert not seen & of_baseline
    assert not seen & of_candidate
    # And all others are there: held out by both.
    assert seen == set(many["customer_id"]) - of_baseline - of_candidate
    assert len(seen) >= 50

    [asked] = found.asked
    assert asked["customer_id"].tolist() == rows["customer_id"].tolist()
    assert "_probability" not in asked  # what the candidate says is not told
    assert scored.threshold == 0.35
    np.testing.assert_allclose(scored.probability, rows["age"] / 200)


def test_with_the_same_split_no_customer_is_lost(candidate: compare._Candidate) -> None:
    rows, _ = compare._score(pretended(), candidate)
    assert rows["customer_id"].tolist() == candidate.test["customer_id"].tolist()


@pytest.mark.parametrize("share", [0.01, 0.04])
def test_too_few_unseen_customers_are_no_comparison(
    share: float, candidate: compare._Candidate
) -> None:
    found = pretended(salt="other", test_share=share)
    with pytest.raises(IncomparableError, match=r"only .* keep split\.salt and split\.test_share"):
        compare._score(found, candidate)
    assert found.asked == []


@pytest.mark.parametrize(("n", "enough"), [(49, False), (50, True)])
def test_fifty_customers_are_enough(n: int, enough: bool, candidate: compare._Candidate) -> None:
    candidate.test = candidate.test.iloc[:n]
    if enough:
        assert len(compare._score(pretended(), candidate)[0]) == 50
        return
    with pytest.raises(IncomparableError, match="only 49 of the held-out customers"):
        compare._score(pretended(), candidate)


@pytest.mark.parametrize("label", [0, 1])
def test_customers_of_one_kind_are_no_comparison(label: int, candidate: compare._Candidate) -> None:
    candidate.test = candidate.test.assign(churned=label)
    with pytest.raises(IncomparableError, match="of them churned"):
        compare._score(pretended(), candidate)


def test_customers_that_are_told_apart_otherwise_are_no_comparison(
    candidate: compare._Candidate,
) -> None:
    with pytest.raises(IncomparableError, match="told apart by 'email', these by 'customer_id'"):
        compare._score(pretended(id="email"), candidate)


@pytest.mark.parametrize("key", ["id", "test_share", "salt", "threshold"])
def test_a_model_that_does_not_know_its_split_is_no_comparison(
    key: str, candidate: compare._Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {k: v for k, v in pretended().card().items() if k != key}
    monkeypatch.setattr(Pretended, "card", lambda self: card)
    with pytest.raises(IncomparableError, match=f"model.json has no {key}"):
        compare._score(pretended(), candidate)


@pytest.mark.parametrize("change", ["order", "fewer", "others"])
def test_an_answer_for_other_customers_is_no_comparison(
    change: str, candidate: compare._Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: Pretended, rows: Path) -> pd.DataFrame:
        frame = pd.read_parquet(rows)[["customer_id"]].assign(probability=0.5)
        if change == "order":
            return frame.iloc[::-1]
        return frame.iloc[1:] if change == "fewer" else frame.assign(customer_id="x")

    monkeypatch.setattr(Pretended, "predict", answer)
    with pytest.raises(IncomparableError, match="for other customers than it was given"):
        compare._score(pretended(), candidate)


@pytest.mark.parametrize("change", [lambda p: p.iloc[::-1], lambda p: p.iloc[1:]])
def test_predictions_of_other_customers_are_an_error(
    change: Any, candidate: compare._Candidate
) -> None:
    file = candidate.workspace.predictions("test")
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    with pytest.raises(ArtifactError, match="of other customers than"):
        compare._Candidate(candidate.workspace, candidate.settings)


def test_the_most_rows_are_kept_and_are_always_the_same(many: pd.DataFrame, tmp_path: Path) -> None:
    whole = prepared(many, tmp_path).test
    some = prepared(many, tmp_path, max_rows=200).test
    assert 140 <= len(some) <= 260
    assert set(some["customer_id"]) < set(whole["customer_id"])
    assert prepared(many, tmp_path, max_rows=200).test.equals(some)
    fewer = prepared(many, tmp_path, max_rows=100).test
    assert set(fewer["customer_id"]) < set(some["customer_id"])
    # Still each with its own probability.
    np.testing.assert_allclose(some["_probability"], 0.1 + some["age"] / 150)


def test_metrics_slices_and_curves_are_those_of_both_models(
    candidate: compare._Candidate,
) -> None:
    rows, scored = compare._score(pretended(), candidate)
    found = compare._compared(rows, scored, candidate)
    assert found["rows"] == len(rows)
    y, decision = rows["churned"].to_numpy(), candidate.settings.decision
    expected = {
        "baseline": measure(y, scored.probability, 0.35, decision).values,
        "candidate": measure(y, rows["_probability"].to_numpy(), 0.4, decision).values,
    }
    for one in found["metrics"]:
        for side, values in expected.items():
            assert one[side] == pytest.approx(values[one["metric"]], abs=1e-6)
    chosen = candidate.settings.evaluation.slices
    assert {part["column"] for part in found["slices"]} == set(chosen.numeric)
    assert all(part["rows"] >= chosen.min_rows for part in found["slices"])
    ages = [part["rows"] for part in found["slices"] if part["column"] == "age"]
    assert sum(ages) == len(rows)
    assert set(found["curves"]) == {"roc", "precision_recall", "calibration"}
    assert found["curves"]["roc"]["baseline"][0] == {
        "false_positive_rate": 0.0,
        "true_positive_rate": 0.0,
    }
    json.dumps(found, allow_nan=False)


def test_data_that_moved_is_described_and_columns_that_came_or_went_are_named(
    many: pd.DataFrame, candidate: compare._Candidate, tmp_path: Path
) -> None:
    before = many.iloc[:2000].drop(columns="recency_days").assign(age=30.0)
    file = tmp_path / "before.parquet"
    before.to_parquet(file, index=False)
    found = Pretended("main", "1", "stored", tmp_path, tmp_path, file)
    described = compare._data(found, candidate)["data"]
    assert described["rows"] == [2000, len(candidate.train)]
    assert described["columns"][0]["column"] == "age"
    assert described["columns"][0]["word"] == "large"
    assert described["gone"] == ["fax_number", "colour"]
    assert "recency_days" in described["new"]
    assert "age" not in described["new"]
    before_rate, after_rate = described["label_rate"]
    assert before_rate == round(before["churned"].mean(), 4)
    assert after_rate == round(candidate.train["churned"].mean(), 4)


def test_the_same_rows_have_not_moved(candidate: compare._Candidate, tmp_path: Path) -> None:
    same = tmp_path / "same.parquet"
    shutil.copy(candidate.workspace.split("train"), same)
    found = Pretended("main", "1", "stored", tmp_path, tmp_path, same)
    assert compare._data(found, candidate) == {}


# the whole command


@pytest.fixture
def workspace(repository: Path, planned: pd.DataFrame, small: Params) -> Workspace:
    """Return a work tree in which the small model was trained and evaluated."""
    made = Workspace(repository)
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["data"]["categorical"] = ["plan"]
    document["comparison"]["resamples"] = 1000
    document["evaluation"]["slices"]["min_rows"] = 20
    made.params.write_text(yaml.safe_dump(document))
    held_out = split.is_test(planned["customer_id"], 0.2, "churn")
    made.predictions("test").parent.mkdir(parents=True)
    planned[~held_out].to_parquet(made.split("train"), index=False)
    test = planned[held_out]
    test.to_parquet(made.split("test"), index=False)
    model = train.fit(planned[~held_out], small)
    artifact.save(model, made.model)
    scored = test[["customer_id"]].assign(probability=model.probability(test))
    scored.to_parquet(made.predictions("test"), index=False)
    made.reports.mkdir()
    made.metrics.write_text(json.dumps({"threshold": model.card.threshold}))
    commit(repository)
    return made


def gives(found: Baseline | None) -> Any:
    @contextmanager
    def source(*_: Any) -> Iterator[Baseline | None]:
        yield found

    return source


def test_the_same_code_says_the_same_here_as_in_another_process(workspace: Workspace) -> None:
    rows = workspace.split("test")
    here, there = (
        Baseline("main", "HEAD", "stored", workspace.model, code, None).predict(rows)
        for code in (None, ROOT / "src")
    )
    pd.testing.assert_frame_equal(here, there)


@pytest.mark.parametrize("is_categorical", [True, False])
def test_here_as_there_columns_are_what_the_baseline_s_card_says(
    is_categorical: bool, planned: pd.DataFrame, small: Params, tmp_path: Path
) -> None:
    """A change of params.yaml alone makes other columns numeric, and no other code."""
    rated = planned.assign(rating=planned["customer_id"].str[-1].str.extract(r"(\d)")[0])
    rated["rating"] = rated["rating"].fillna("0").astype(float) / 2
    as_text = rated.assign(rating=[f"{one:g}" for one in rated["rating"]])
    here, there = (as_text, rated) if is_categorical else (rated, as_text)
    key = "categorical" if is_categorical else "numeric"
    columns = {key: (*getattr(small.data, key), "rating")}
    settings = small.model_copy(update={"data": small.data.model_copy(update=columns)})
    artifact.save(train.fit(here, settings), tmp_path / "model")
    rows = tmp_path / "rows.parquet"
    there.drop(columns="churned").to_parquet(rows, index=False)
    found = [
        Baseline("main", "HEAD", "stored", tmp_path / "model", code, None).predict(rows)
        for code in (None, ROOT / "src")
    ]
    pd.testing.assert_frame_equal(*found)
    known = artifact.load(tmp_path / "model").probability(here)
    np.testing.assert_array_equal(found[0]["probability"], known)


def test_whatever_goes_wrong_with_a_baseline_here_it_is_incomparable(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("Input X contains infinity")

    monkeypatch.setattr(artifact.Model, "predict", fail)
    found = Baseline("main", "HEAD", "stored", workspace.model, None, None)
    with pytest.raises(IncomparableError, match="ValueError: Input X contains infinity"):
        found.predict(workspace.split("test"))


def test_rows_that_the_code_here_does_not_take_are_incomparable(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.parquet"
    pd.read_parquet(workspace.split("test")).drop(columns="age").to_parquet(rows)
    found = Baseline("main", "HEAD", "stored", workspace.model, None, None)
    with pytest.raises(IncomparableError, match=r"main: cannot be scored on these rows: .*'age'"):
        found.predict(rows)


def test_a_model_compared_with_itself_is_identical_in_everything(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "HEAD"
    same = Baseline(
        "main",
        head,
        "stored",
        workspace.model,
        ROOT / "src",
        workspace.split("train"),
    )
    monkeypatch.setattr(baseline, "of_revision", gives(same))
    monkeypatch.setattr(baseline, "in_production", gives(None))
    report = compare.run(workspace, "main", production=True)
    assert json.loads(workspace.comparison.read_text()) == report
    assert report["model_digest"] == model_digest(workspace.model)
    first, second = report["baselines"]
    assert (second["kind"], second["name"]) == ("production", "Production")
    assert "nothing is in Production" in second["absent"]
    assert {one["word"] for one in first["metrics"]} == {"identical"}
    assert json.loads(workspace.changes.read_text())["parameters"] == []
    assert first["model_digest"] == report["model_digest"]
    assert "data" not in first


def test_a_revision_without_a_pipeline_is_absent(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "of_revision", gives(None))
    report = compare.run(workspace, "main", production=False)
    [entry] = report["baselines"]
    assert entry == {"name": "main", "kind": "revision", "absent": "main has no pipeline yet"}


def test_an_incomparable_baseline_says_why_and_how_the_data_have_moved(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(workspace.model, other)
    card = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(card | {"id": "email"}))
    moved = tmp_path / "train.parquet"
    pd.read_parquet(workspace.split("train")).iloc[:300].to_parquet(moved, index=False)
    found = Baseline("main", "HEAD", "stored", other, ROOT / "src", moved)
    monkeypatch.setattr(baseline, "of_revision", gives(found))
    [entry] = compare.run(workspace, "main", production=False)["baselines"]
    assert "told apart by 'email'" in entry["incomparable"]
    assert "metrics" not in entry
    assert entry["data"]["rows"][0] == 300


def test_nothing_is_said_of_changes_against_production(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Baseline("Production", "7", "registry", workspace.model, ROOT / "src", None)
    monkeypatch.setattr(baseline, "in_production", gives(found))
    [entry] = compare.run(workspace, None, production=True)["baselines"]
    assert not workspace.changes.exists()
    assert "data" not in entry
    assert entry["source"] == "registry"


def test_what_is_compared_can_be_reported(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Baseline("Production", "7", "registry", workspace.model, ROOT / "src", None)
    monkeypatch.setattr(baseline, "in_production", gives(found))
    compare.run(workspace, None, production=True)
    gates: list[Any] = []
    verdict = {"passed": True, "outcome": "judged", "reason": "same", "gates": gates}
    workspace.verdict.write_text(json.dumps(verdict))
    workspace.metrics.write_text(json.dumps({"threshold": 0.4, "train": {}, "test": {}}))
    text = markdown.render(facts.gather(workspace), mermaid.chart)
    assert "### Metrics against `Production`" in text
    assert "| ROC AUC |" in text
    assert text.count("```mermaid") == 3
