"""Which customers two models are compared on, and what is said where they cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from churn.core import params
from churn.core.errors import ArtifactError, IncomparableError, RegistryError
from churn.core.params import Limits, Params
from churn.core.paths import Workspace
from churn.core.shapes import to_json
from churn.data import split
from churn.model import artifact, out_of_fold
from churn.provenance.candidate import model_digest
from churn.provenance.git import git
from churn.review import compare, limits, measured, pair, registered, revisions
from churn.review.baseline import Baseline, Card
from churn.review.comparison import Absent, Compared, Found, Incomparable
from churn.review.exam import Candidate, Exam
from churn.review.pair import Pair
from churn.review.report import gather, markdown, mermaid
from churn.review.report.facts import read
from churn.stages import train
from tests import warm
from tests.binary import DECISION, measure
from tests.conftest import PARAMS, ROOT
from tests.unit.conftest import as_somebody, new_repository
from tests.unit.repositories import commit

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Pretended(Baseline):
    """A baseline that notes what it is asked for, and knows nothing."""

    said: dict[str, Any] = field(default_factory=dict)
    asked: list[pd.DataFrame] = field(default_factory=list)

    def card(self) -> Card:
        values = {
            "id": "customer_id",
            "test_share": 0.2,
            "salt": "churn",
            "threshold": 0.35,
            "numeric": ("age", "fax_number"),
            "categorical": ("colour",),
        }
        return Card(**(values | self.said))

    def predict(self, rows: Path) -> pd.DataFrame:
        frame = pd.read_parquet(rows)
        self.asked.append(frame)
        return frame[["customer_id"]].assign(probability=frame["age"].fillna(0) / 200)


def pretended(**said: Any) -> Pretended:
    nowhere = Path("nowhere")
    return Pretended("main", "1" * 40, "stored", nowhere, nowhere, None, said=said)


def held_out(candidate: Candidate) -> Exam:
    return Exam("own", candidate.test, candidate.scores, candidate.train)


def compared(
    candidate: Candidate, everyone: Pair | str, alone: Pair, judging: Limits | None = None
) -> Compared:
    entry = Found(name="main", model_digest="b" * 64)
    own, data = judging or limits.own(candidate.settings), candidate.settings.data
    return measured.compared(entry, alone, everyone, candidate.train, data, own)


def score(found: Baseline, candidate: Candidate) -> Pair:
    return pair.held_out(found, held_out(candidate), candidate)


def out_of_fold_of(train: pd.DataFrame, oldest: int, n_folds: int = 5) -> pd.DataFrame:
    """Predict by age alone, as if other fits had done it."""
    ids = train["customer_id"]
    fold = (split.hash_share(ids, "fold") * n_folds).astype(int)
    said = pd.DataFrame({"probability": 0.1 + train["age"].to_numpy() / oldest, "fold": fold})
    return said.iloc[np.argsort(out_of_fold.places(ids))]


def stored_rows(folder: Path, **sides: pd.DataFrame) -> Workspace:
    """Write the rows that a baseline's commit has."""
    there = Workspace(folder)
    there.build.mkdir(parents=True)
    for side, rows in sides.items():
        rows.to_parquet(there.split(side), index=False)
    return there


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
def candidate(many: pd.DataFrame, tmp_path: Path) -> Candidate:
    """Return a candidate on those of them that it holds out."""
    return prepared(many, tmp_path)


def prepared(many: pd.DataFrame, root: Path, **overrides: Any) -> Candidate:
    keys = {f"comparison.{key}": value for key, value in overrides.items()}
    settings = params.load(PARAMS, {"comparison.resamples": 1000, **keys})
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
    out_of_fold_of(many[~held_out], 150).to_parquet(workspace.out_of_fold)
    workspace.reports.mkdir(exist_ok=True)
    workspace.metrics.write_text('{"threshold": 0.4, "train": {}, "test": {}}')
    return Candidate(workspace, settings)


@pytest.mark.parametrize(
    ("of_table", "split_of_candidate", "n_unseen"),
    [
        (True, {"held_out_below": 0.12}, "all"),
        (False, {"held_out_below": 0.12}, "below"),
        (True, {"held_out_below": 0.13}, "below"),
        (True, {"held_out_below": 0.12, "salt": "another"}, "below"),
        (True, {"held_out_below": 0.12, "test_share": 0.3}, "below"),
    ],
)
def test_strata_of_the_same_table_hold_out_the_same_customers(
    of_table: bool, split_of_candidate: dict[str, Any], n_unseen: str, candidate: Candidate
) -> None:
    """Of another table only those below the least hash of a training row are certainly unseen."""
    card = {"test_share": 0.2, "salt": "churn", **split_of_candidate}
    (candidate.workspace.model / "model.json").write_text(json.dumps(card))
    found = replace(pretended(held_out_below=0.12), has_this_table=of_table)
    below = split.is_test(candidate.test["customer_id"], 0.12, "churn").sum()
    expected = {"all": len(candidate.test), "below": below}
    assert below < len(candidate.test)
    assert len(score(found, candidate).rows) == expected[n_unseen]


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
    salt: str, share: float, many: pd.DataFrame, candidate: Candidate
) -> None:
    found = pretended(salt=salt, test_share=share)
    alone = score(found, candidate)
    rows, scored = alone.rows, alone.baseline

    of_baseline = set(many["customer_id"][~split.is_test(many["customer_id"], share, salt)])
    of_candidate = set(candidate.train["customer_id"])
    seen = set(rows["customer_id"])
    assert not seen & of_baseline
    assert not seen & of_candidate
    # And all others are there: held out by both.
    assert seen == set(many["customer_id"]) - of_baseline - of_candidate
    assert len(seen) >= 50

    [asked] = found.asked
    assert sorted(asked["customer_id"]) == sorted(rows["customer_id"])
    assert set(asked) == set(many)  # what the candidate says is not told
    assert scored.rule == 0.35
    np.testing.assert_allclose(scored.scores, rows["age"] / 200)


def test_with_the_same_split_no_customer_is_lost(candidate: Candidate) -> None:
    rows = score(pretended(), candidate).rows
    assert sorted(rows["customer_id"]) == sorted(candidate.test["customer_id"])


@pytest.mark.parametrize("share", [0.01, 0.04])
def test_too_few_unseen_customers_are_no_comparison(share: float, candidate: Candidate) -> None:
    found = pretended(salt="other", test_share=share)
    with pytest.raises(IncomparableError, match=r"only .* keep split\.salt and split\.test_share"):
        score(found, candidate)
    assert found.asked == []


@pytest.mark.parametrize(("n", "enough"), [(49, False), (50, True)])
def test_fifty_customers_are_enough(n: int, enough: bool, candidate: Candidate) -> None:
    candidate.test, candidate.scores = candidate.test.iloc[:n], candidate.scores[:n]
    if enough:
        assert len(score(pretended(), candidate).rows) == 50
        return
    with pytest.raises(IncomparableError, match="only 49 of the held-out customers"):
        score(pretended(), candidate)


@pytest.mark.parametrize("label", [0, 1])
def test_customers_of_one_kind_are_no_comparison(label: int, candidate: Candidate) -> None:
    candidate.test = candidate.test.assign(churned=label)
    with pytest.raises(IncomparableError, match="they all have the same target"):
        score(pretended(), candidate)


def test_customers_that_are_told_apart_otherwise_are_no_comparison(
    candidate: Candidate,
) -> None:
    with pytest.raises(IncomparableError, match="identified by 'email', these by 'customer_id'"):
        score(pretended(id="email"), candidate)


def test_a_model_of_another_task_is_no_comparison(candidate: Candidate) -> None:
    with pytest.raises(IncomparableError, match="main: its task is regression"):
        score(pretended(task="regression"), candidate)


def test_a_model_of_classes_in_another_order_is_no_comparison(candidate: Candidate) -> None:
    with pytest.raises(IncomparableError, match="main: its classes are other ones, or in another"):
        score(pretended(classes=("high", "low")), candidate)


@pytest.mark.parametrize("key", ["id", "test_share", "salt", "threshold"])
def test_a_model_that_does_not_know_its_split_is_no_comparison(
    key: str, candidate: Candidate
) -> None:
    with pytest.raises(IncomparableError, match=f"model.json has no {key}"):
        score(pretended(**{key: None}), candidate)


@pytest.mark.parametrize("change", ["order", "fewer", "others"])
def test_an_answer_for_other_customers_is_no_comparison(
    change: str, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: Pretended, rows: Path) -> pd.DataFrame:
        frame = pd.read_parquet(rows)[["customer_id"]].assign(probability=0.5)
        if change == "order":
            return frame.iloc[::-1]
        return frame.iloc[1:] if change == "fewer" else frame.assign(customer_id="x")

    monkeypatch.setattr(Pretended, "predict", answer)
    with pytest.raises(IncomparableError, match="its predictions are not for the given customers"):
        score(pretended(), candidate)


def test_metrics_without_a_threshold_are_an_error(candidate: Candidate) -> None:
    candidate.workspace.metrics.write_text('{"train": {}, "test": {}}')
    with pytest.raises(
        ArtifactError, match=r"metrics\.json names no threshold; run churn evaluate"
    ):
        Candidate(candidate.workspace, candidate.settings)


@pytest.mark.parametrize("change", [lambda p: p.iloc[::-1], lambda p: p.iloc[1:]])
def test_predictions_of_other_customers_are_an_error(change: Any, candidate: Candidate) -> None:
    file = candidate.workspace.predictions("test")
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    with pytest.raises(ArtifactError, match="its customers differ from"):
        Candidate(candidate.workspace, candidate.settings)


def test_the_most_rows_are_kept_and_are_always_the_same(
    many: pd.DataFrame, candidate: Candidate
) -> None:
    alone = score(pretended(), candidate)

    def at_most(max_rows: int) -> Compared:
        chosen = candidate.settings.comparison.model_copy(update={"max_rows": max_rows})
        own = limits.own(candidate.settings).model_copy(update={"comparison": chosen})
        return compared(candidate, "alone", alone, judging=own)

    some = at_most(200)
    assert 140 <= some.rows <= 260
    assert at_most(200) == some
    assert at_most(100).rows < some.rows
    assert at_most(100_000).rows == len(alone.rows)


def test_metrics_slices_and_curves_are_those_of_both_models(
    candidate: Candidate,
) -> None:
    alone = score(pretended(), candidate)
    rows, scored = alone.rows, alone.baseline
    found = compared(candidate, "alone", alone)
    assert found.rows == len(rows)
    y, decision = rows["churned"].to_numpy(), candidate.settings.decision
    expected = {
        "baseline": measure(y, scored.scores, 0.35, decision).values,
        "candidate": measure(y, 0.1 + rows["age"].to_numpy() / 150, 0.4, decision).values,
    }
    for one in found.metrics:
        for side, values in expected.items():
            assert getattr(one, side) == pytest.approx(values[one.metric], abs=1e-6)
    chosen = candidate.settings.evaluation.slices
    assert {part.column for part in found.slices} == set(chosen.numeric)
    assert all(part.rows >= chosen.min_rows for part in found.slices)
    ages = [part.rows for part in found.slices if part.column == "age"]
    assert sum(ages) == len(rows)
    assert set(found.curves) == {"roc", "precision_recall", "calibration"}
    assert found.curves["roc"].baseline[0] == {
        "false_positive_rate": 0.0,
        "true_positive_rate": 0.0,
    }
    json.dumps(to_json(found), allow_nan=False)


def test_at_the_threshold_of_the_baseline_only_the_model_differs(
    candidate: Candidate,
) -> None:
    alone = score(pretended(), candidate)
    rows, decision = alone.rows, candidate.settings.decision
    found = compared(candidate, "alone", alone).same_threshold
    measured = measure(
        rows["churned"].to_numpy(), 0.1 + rows["age"].to_numpy() / 150, 0.35, decision
    ).values
    assert found is not None
    assert [one.metric for one in found] == ["accuracy", "precision", "recall", "f1", "cost"]
    for one in found:
        assert one.candidate == pytest.approx(measured[one.metric], abs=1e-6)
    candidate.rule = 0.35
    assert compared(candidate, "alone", score(pretended(), candidate)).same_threshold is None


def test_the_words_of_both_exams_are_corrected_together(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    families: list[Any] = []
    monkeypatch.setattr(measured, "corrected", lambda found: families.append(found) or found)
    found = older(candidate, tmp_path / "there", candidate.train)
    told = compared(candidate, everyone(found, candidate), score(found, candidate))
    assert told.everyone is not None
    assert families[0] == [told.metrics, told.everyone.metrics]


def test_data_that_moved_is_described_and_columns_that_came_or_went_are_named(
    many: pd.DataFrame, candidate: Candidate, tmp_path: Path
) -> None:
    before = many.iloc[:2000].drop(columns="recency_days").assign(age=30.0)
    there = stored_rows(tmp_path / "there", train=before)
    found = Pretended("main", "1", "stored", tmp_path, tmp_path, there)
    described = measured.data_change(found, candidate)
    assert described is not None
    assert described.rows == (2000, len(candidate.train))
    assert described.columns[0].column == "age"
    assert described.columns[0].word == "large"
    assert described.gone == ["fax_number", "colour"]
    assert "recency_days" in described.new
    assert "age" not in described.new
    assert described.label_rate is not None
    before_rate, after_rate = described.label_rate
    assert before_rate == round(before["churned"].mean(), 4)
    assert after_rate == round(candidate.train["churned"].mean(), 4)


def test_the_same_rows_have_not_moved(candidate: Candidate, tmp_path: Path) -> None:
    there = stored_rows(tmp_path / "there", train=candidate.train)
    found = Pretended("main", "1", "stored", tmp_path, tmp_path, there)
    assert measured.data_change(found, candidate) is None


# every customer


def older(candidate: Candidate, folder: Path, train: pd.DataFrame) -> Pretended:
    """Return a baseline of other training rows, with what was predicted of them out of fold."""
    there = stored_rows(folder, train=train)
    out_of_fold_of(train, 200).to_parquet(there.out_of_fold)
    nowhere = Path("nowhere")
    return Pretended("main", "1" * 40, "stored", nowhere, nowhere, there, there.out_of_fold)


def everyone(found: Baseline, candidate: Candidate) -> Any:
    return pair.everyone(found, score(found, candidate), candidate)


def test_training_rows_are_predicted_out_of_fold_and_held_out_ones_by_the_models(
    candidate: Candidate, tmp_path: Path
) -> None:
    pair = everyone(older(candidate, tmp_path / "there", candidate.train), candidate)
    assert len(pair.rows) == 4000
    age, held_out = pair.rows["age"], pair.rows["customer_id"].isin(candidate.test["customer_id"])
    np.testing.assert_allclose(pair.candidate.scores, 0.1 + age / 150)
    np.testing.assert_allclose(pair.baseline.scores, np.where(held_out, 0, 0.1) + age / 200)
    assert (pair.baseline.rule, pair.candidate.rule) == (0.35, 0.4)


def test_training_rows_that_are_not_the_same_in_both_tables_are_left_out(
    candidate: Candidate, tmp_path: Path
) -> None:
    before = candidate.train.reset_index(drop=True).iloc[100:]
    before.loc[100:109, "age"] += 1
    before.loc[110:119, "churned"] = 1 - before.loc[110:119, "churned"]
    pair = everyone(older(candidate, tmp_path / "there", before), candidate)
    assert len(pair.rows) == 4000 - 100 - 20
    left_out = candidate.train["customer_id"].iloc[:120]
    assert not pair.rows["customer_id"].isin(left_out).any()


def test_the_order_of_the_table_decides_nothing(
    many: pd.DataFrame, candidate: Candidate, tmp_path: Path
) -> None:
    shuffled = prepared(many.sample(frac=1, random_state=1), tmp_path / "shuffled")
    first, second = (
        everyone(older(one, tmp_path / name, one.train), one)
        for name, one in (("first", candidate), ("second", shuffled))
    )
    pd.testing.assert_frame_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.candidate.scores, second.candidate.scores)


def test_of_production_nothing_but_the_predictions_is_known(
    candidate: Candidate, tmp_path: Path
) -> None:
    found = replace(older(candidate, tmp_path / "there", candidate.train), workspace=None)
    assert len(everyone(found, candidate).rows) == 4000
    assert everyone(replace(found, said={"salt": "other"}), candidate) == (
        "main holds out other customers"
    )
    assert everyone(replace(found, said={"train_max_rows": 1000}), candidate) == (
        "main was trained on another sample (train.max_rows)"
    )


@pytest.mark.parametrize("more", [0, 1])
def test_a_limit_that_leaves_out_nobody_is_no_other_sample(
    more: int, candidate: Candidate, tmp_path: Path
) -> None:
    found = replace(older(candidate, tmp_path / "there", candidate.train), workspace=None)
    limit = {"max_rows": len(candidate.train) + more}
    candidate.settings = candidate.settings.model_copy(
        update={"train": candidate.settings.train.model_copy(update=limit)}
    )
    if more:
        assert len(everyone(found, candidate).rows) == 4000
        return
    another = "main was trained on another sample (train.max_rows)"
    assert everyone(found, candidate) == another
    sample = replace(found, said={"train_max_rows": limit["max_rows"]})
    assert len(everyone(sample, candidate).rows) == 4000


def test_without_out_of_fold_predictions_of_both_the_held_out_customers_are_alone(
    candidate: Candidate, tmp_path: Path
) -> None:
    found = older(candidate, tmp_path / "there", candidate.train)
    told = "main has no out-of-fold predictions for this table"
    assert everyone(pretended(), candidate) == told
    others = candidate.train.assign(age=candidate.train["age"] + 1)
    assert everyone(older(candidate, tmp_path / "others", others), candidate) == (
        "no training row is equal in both tables"
    )
    for none in (candidate.out_of_fold.iloc[:0], None):
        candidate.out_of_fold = none
        assert everyone(found, candidate) == "this change has no out-of-fold predictions"


def test_other_folds_are_no_comparison(candidate: Candidate, tmp_path: Path) -> None:
    found = older(candidate, tmp_path / "there", candidate.train)
    told = "main has other folds (decision.folds, decision.max_rows)"
    candidate.out_of_fold = out_of_fold_of(candidate.train, 150, n_folds=2)
    assert everyone(found, candidate) == told
    # Fits to fewer rows are another procedure.
    candidate.out_of_fold = out_of_fold_of(candidate.train, 150).iloc[:2000]
    assert everyone(found, candidate) == told


# the whole command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, planned: pd.DataFrame, small: Params) -> Path:
    """Return a repository in which the small model was trained and evaluated; tests copy it."""
    root = tmp_path_factory.mktemp("trained") / "repository"
    made = Workspace(root)
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, root.parent)
        new_repository(root)
        fill(made, planned, small)
        commit(root)
    return root


@pytest.fixture
def workspace(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    warm.use(monkeypatch)
    as_somebody(monkeypatch, tmp_path)
    return Workspace(shutil.copytree(trained, tmp_path / "repository", symlinks=True))


def fill(made: Workspace, planned: pd.DataFrame, small: Params) -> None:
    """Do what the stages up to `evaluate` do."""
    document = yaml.safe_load(PARAMS.read_text())
    document["data"]["categorical"] = ["plan"]
    document["comparison"]["resamples"] = 1000
    document["evaluation"]["slices"]["min_rows"] = 20
    made.params.write_text(yaml.safe_dump(document))
    held_out = split.is_test(planned["customer_id"], 0.2, "churn")
    made.predictions("test").parent.mkdir(parents=True)
    planned[~held_out].to_parquet(made.split("train"), index=False)
    test = planned[held_out]
    test.to_parquet(made.split("test"), index=False)
    model, unseen = train.fit(planned[~held_out], small)
    artifact.save(model, made.model)
    unseen.to_parquet(made.out_of_fold)
    scored = test[["customer_id"]].assign(probability=model.scores(test))
    scored.to_parquet(made.predictions("test"), index=False)
    made.reports.mkdir()
    nothing = {"train": {}, "test": {}}
    made.metrics.write_text(json.dumps({"threshold": model.card.threshold, **nothing}))


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
    is_categorical: bool,
    planned: pd.DataFrame,
    small: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change of params.yaml alone makes other columns numeric, and no other code."""
    warm.use(monkeypatch)
    rated = planned.assign(rating=planned["customer_id"].str[-1].str.extract(r"(\d)")[0])
    rated["rating"] = rated["rating"].fillna("0").astype(float) / 2
    as_text = rated.assign(rating=[f"{one:g}" for one in rated["rating"]])
    here, there = (as_text, rated) if is_categorical else (rated, as_text)
    key = "categorical" if is_categorical else "numeric"
    columns = {key: (*getattr(small.data, key), "rating")}
    settings = small.model_copy(update={"data": small.data.model_copy(update=columns)})
    artifact.save(train.fit(here, settings).model, tmp_path / "model")
    rows = tmp_path / "rows.parquet"
    there.drop(columns="churned").to_parquet(rows, index=False)
    found = [
        Baseline("main", "HEAD", "stored", tmp_path / "model", code, None).predict(rows)
        for code in (None, ROOT / "src")
    ]
    pd.testing.assert_frame_equal(*found)
    known = artifact.load(tmp_path / "model").scores(here)
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
        workspace,
        workspace.out_of_fold,
    )
    monkeypatch.setattr(revisions, "of_revision", gives(same))
    monkeypatch.setattr(registered, "in_production", gives(None))
    report = compare.run(workspace, "main", production=True)
    written = json.loads(workspace.comparison.read_text())
    assert written == to_json(report)
    assert "data" not in written["baselines"][0]
    assert report.model_digest == model_digest(workspace.model)
    first, second = report.baselines
    assert (second.kind, second.name) == ("production", "Production")
    assert isinstance(first, Compared)
    assert isinstance(second, Absent)
    assert "nothing is in Production" in second.absent
    assert (first.exam, first.limits, report.exam) == ("main", "main", None)
    assert {one.word for one in first.metrics} == {"identical"}
    assert first.everyone is not None
    assert {one.word for one in first.everyone.metrics} == {"identical"}
    assert first.everyone.rows == 600 > first.rows == first.everyone.held_out
    assert first.alone is None
    assert json.loads(workspace.changes.read_text())["parameters"] == []
    assert first.model_digest == report.model_digest


def test_a_branch_called_production_is_not_taken_for_the_stage(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(workspace.root, "branch", "Production")
    commit = git(workspace.root, "rev-parse", "HEAD").strip()
    monkeypatch.setattr(revisions, "of_revision", gives(None))
    monkeypatch.setattr(registered, "in_production", gives(None))
    report = compare.run(workspace, "Production", production=True)
    assert [(one.name, one.kind) for one in report.baselines] == [
        (f"commit {commit[:12]}", "revision"),
        ("Production", "production"),
    ]


def test_a_revision_without_a_pipeline_is_absent(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "of_revision", gives(None))
    report = compare.run(workspace, "main", production=False)
    [entry] = report.baselines
    assert entry == Absent(name="main", kind="revision", absent="main has no pipeline yet")


def test_an_incomparable_baseline_says_why_and_how_the_data_have_moved(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(workspace.model, other)
    card = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(card | {"id": "email"}))
    train_rows, test_rows = (pd.read_parquet(workspace.split(side)) for side in ("train", "test"))
    there = stored_rows(tmp_path / "there", train=train_rows.iloc[:300], test=test_rows)
    found = Baseline("main", "HEAD", "stored", other, ROOT / "src", there)
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    [entry] = compare.run(workspace, "main", production=False).baselines
    assert isinstance(entry, Incomparable)
    assert "identified by 'email'" in entry.incomparable
    assert entry.data is not None
    assert entry.data.rows[0] == 300


def test_nothing_is_said_of_changes_against_production(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Baseline("Production", "7", "registry", workspace.model, ROOT / "src", None)
    monkeypatch.setattr(registered, "in_production", gives(found))
    [entry] = compare.run(workspace, None, production=True).baselines
    assert not workspace.changes.exists()
    assert entry.data is None
    assert entry.source == "registry"


def test_what_is_compared_can_be_reported(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Baseline("Production", "7", "registry", workspace.model, ROOT / "src", None)
    monkeypatch.setattr(registered, "in_production", gives(found))
    compare.run(workspace, None, production=True)
    gates: list[Any] = []
    verdict = {"passed": True, "outcome": "judged", "reason": "same", "gates": gates}
    workspace.verdict.write_text(json.dumps(verdict))
    workspace.metrics.write_text(json.dumps({"threshold": 0.4, "train": {}, "test": {}}))
    text = markdown.render(read(gather.gather(workspace)), mermaid.chart)
    assert "### Metrics against `Production`" in text
    assert "| ROC AUC |" in text
    assert text.count("```mermaid") == 3


# whose exam, and whose limits


def of_main(workspace: Workspace, folder: Path, change: Any, code: Path | None = None) -> Baseline:
    """Return main's baseline: the same model, with the held-out customers as `change` has them."""
    train_rows, test = (pd.read_parquet(workspace.split(side)) for side in ("train", "test"))
    there = stored_rows(folder, train=train_rows, test=change(test))
    return Baseline("main", "HEAD", "stored", workspace.model, code, there)


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        (lambda test: test.iloc[5:], {"added": 5}),
        (lambda test: test.assign(age=np.where(test.index < test.index[7], 1.0, test["age"])),
         {"edited": 7}),
        (lambda test: test.assign(churned=np.r_[1 - test["churned"][:9], test["churned"][9:]]),
         {"relabelled": 9}),
        (lambda test: pd.concat([test, test.iloc[:3].assign(customer_id=["x", "y", "z"])]),
         {"removed": 3}),
    ],
    ids=["added", "edited", "relabelled", "removed"],
)  # fmt: skip
def test_a_change_of_the_exam_is_counted_and_both_exams_are_held(
    change: Any, counted: dict[str, int], workspace: Workspace, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        revisions, "of_revision", gives(of_main(workspace, tmp_path / "main", change))
    )
    report = compare.run(workspace, "main", production=False)
    nothing = {"added": 0, "removed": 0, "relabelled": 0, "edited": 0}
    assert {key: getattr(report.exam, key) for key in nothing} == nothing | counted
    assert [entry.exam for entry in report.baselines] == ["main", "own"]
    assert all(isinstance(entry, Compared) for entry in report.baselines)


def test_on_the_exam_of_main_the_labels_are_those_of_main(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate that was trained to please changed labels is found out by main's."""
    main = of_main(workspace, tmp_path / "main", lambda test: test, ROOT / "src")
    good = artifact.load(workspace.model).scores(pd.read_parquet(workspace.split("test")))
    # The change relabels its held-out customers so that they say what its own model says.
    own = pd.read_parquet(workspace.split("test"))
    flattering = own.assign(churned=(own["age"] > own["age"].median()).astype(int))
    flattering.to_parquet(workspace.split("test"), index=False)
    predictions = pd.read_parquet(workspace.predictions("test"))
    predictions.assign(probability=0.9 * flattering["churned"].to_numpy()).to_parquet(
        workspace.predictions("test"), index=False
    )
    monkeypatch.setattr(
        artifact.Model,
        "scores",
        lambda self, rows: (rows["age"] > rows["age"].median()).to_numpy() * 0.9,
    )
    monkeypatch.setattr(revisions, "of_revision", gives(main))

    report = compare.run(workspace, "main", production=False)

    on_main, on_own = (
        next(one for one in entry.metrics if one.metric == "roc_auc") for entry in report.baselines
    )
    assert report.exam.relabelled > 10
    assert on_own.word == "better"
    assert on_main.word == "worse"
    y = own["churned"].to_numpy()
    assert on_main.baseline == pytest.approx(measure(y, good, 0.4, DECISION).values["roc_auc"])


def test_customers_that_the_candidate_was_trained_on_are_no_exam_of_main(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_rows = pd.read_parquet(workspace.split("train"))
    moved = pd.read_parquet(workspace.split("test")).iloc[:20]
    pd.concat([train_rows, moved]).to_parquet(workspace.split("train"), index=False)
    found = of_main(workspace, tmp_path / "main", lambda test: test.assign(age=test["age"] + 1))
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    report = compare.run(workspace, "main", production=False)
    on_main, on_own = report.baselines
    assert on_main.rows == on_own.rows - 20


def test_a_column_that_is_new_comes_from_the_table_of_the_change(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(test: pd.DataFrame) -> pd.DataFrame:
        return test.drop(columns="plan").assign(age=test["age"] + 1)

    found = of_main(workspace, tmp_path / "main", without, ROOT / "src")
    asked: list[pd.DataFrame] = []
    true = artifact.Model.scores
    monkeypatch.setattr(
        artifact.Model,
        "scores",
        lambda self, rows: asked.append(rows) or true(self, rows),  # type: ignore[func-returns-value]
    )
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    compare.run(workspace, "main", production=False)
    own = pd.read_parquet(workspace.split("test"))
    assert asked[0]["plan"].equals(own["plan"])  # by the candidate
    assert asked[0]["age"].equals(own["age"] + 1)


def test_a_new_column_that_is_missing_for_all_of_main_s_customers_is_no_comparison(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def others(test: pd.DataFrame) -> pd.DataFrame:
        return test.drop(columns="plan").assign(customer_id="M" + test["customer_id"])

    found = of_main(workspace, tmp_path / "main", others, ROOT / "src")
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    on_main, _ = compare.run(workspace, "main", production=False).baselines
    assert on_main.incomparable == (
        "the customers of main have no column 'plan', and none of them is in the table of this"
        " change"
    )


def test_a_table_whose_label_has_another_name_is_no_exam(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of_main(workspace, tmp_path, lambda test: test.rename(columns={"churned": "gone"}))
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    on_main, _ = compare.run(workspace, "main", production=False).baselines
    assert "its customers have no column 'churned'" in on_main.incomparable


def test_a_candidate_that_fails_on_the_exam_of_main_is_incomparable(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of_main(workspace, tmp_path, lambda test: test.assign(age="old"))
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    on_main, _ = compare.run(workspace, "main", production=False).baselines
    assert "the candidate cannot be scored on the customers of main" in on_main.incomparable


def test_where_the_limits_of_main_are_others_both_are_compared_by(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of_main(workspace, tmp_path / "main", lambda test: test)
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    ran: list[Any] = []
    monkeypatch.setattr(
        compare.validate, "check", lambda *given: ran.append(given[2]) or {"checks": []}
    )
    document = yaml.safe_load(workspace.params.read_text())
    document["decision"]["cost_false_negative"] = 1.0
    document["checks"]["seed"] = 7
    workspace.params.write_text(yaml.safe_dump(document))

    by_main, by_own = compare.run(workspace, "main", production=False).baselines

    assert (by_main.limits, by_own.limits) == ("main", "own")
    costs = [next(one for one in entry.metrics if one.metric == "cost").candidate
             for entry in (by_main, by_own)]  # fmt: skip
    assert costs[0] > costs[1]
    assert [checks.seed for checks in ran] == [42]
    assert workspace.main_checks.exists()


def test_a_model_that_predicts_another_column_is_incomparable(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that names another column as its label would be examined in that."""
    other = tmp_path / "other"
    shutil.copytree(workspace.model, other)
    card = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(card | {"target": "gone"}))
    found = Baseline("main", "HEAD", "stored", other, None, workspace)
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    [entry] = compare.run(workspace, "main", production=False).baselines
    assert entry.incomparable == "main: predicts 'gone', not 'churned'"


def test_without_the_rows_of_main_there_is_no_exam_of_main_and_that_is_incomparable(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Baseline("main", "HEAD", "stored", workspace.model, None, None)
    monkeypatch.setattr(revisions, "of_revision", gives(found))
    on_main, on_own = compare.run(workspace, "main", production=False).baselines
    assert (on_main.exam, on_own.exam) == ("main", "own")
    assert on_main.incomparable == "main: its held-out customers are unavailable"


def test_a_server_that_this_run_may_not_read_blocks(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_REGISTRY_SERVER", "https://mlflow.example.org")
    with pytest.raises(RegistryError, match="set the secret MLFLOW_READER_URI"):
        compare.run(workspace, None, production=True)


def test_a_fork_says_that_it_may_not_ask(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_FORK", "true")
    [entry] = compare.run(workspace, None, production=True).baselines
    assert "a run of a fork has no access to a registry on a server" in entry.absent
