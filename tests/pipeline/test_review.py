"""Pull requests of every kind, through the real commands in a real repository.

Each changes something on a branch and asks `churn review --baseline main` whether to merge it. The
table is small and the model fits in a moment, so that each takes seconds; everything is real.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import Clone, make_clone

CHECKS = {
    "data_integrity": [
        {"check": "IsSingleValue", "conditions": {"not_single_value": None}},
    ],
    "train_test": [
        {"check": "LabelDrift", "conditions": {"drift_score_less_than": 0.3}},
    ],
    "model": [
        {"check": "RocReport", "conditions": {"auc_greater_than": 0.6}},
    ],
}


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository whose main has a small table, a model, and a current lock; all is pushed."""
    clone = make_clone(tmp_path_factory.mktemp("main"))
    clone.run("churn", "synthesize", "--customers", "6000", "--seed", "3",
              "--output", "data/customers.csv")  # fmt: skip
    edit(clone, {
        "model.hyperparameters.max_iter": 40,
        "decision.strategy": "fixed", "decision.threshold": 0.3,
        "evaluation.importance.repeats": 1,
        "evaluation.importance.max_rows": 200,
        "checks": {"max_rows": 1000, "seed": 1, **CHECKS},
        "comparison.resamples": 1000,
        "gates.minima": {"roc_auc": 0.75},
        "gates.margins": {"roc_auc": 0.03},
        "gates.slice_margins": {"roc_auc": 0.03, "brier": 0.02},
    })  # fmt: skip
    clone.run("dvc", "add", "--quiet", "data")
    commit_with_lock(clone, "small")
    return clone


@pytest.fixture
def branch(main: Clone, tmp_path: Path) -> Iterator[Clone]:
    """A clone of it on a branch, where what main has built is restored from its DVC cache."""
    fresh = replace(main, root=tmp_path / "clone")
    main.git("clone", "--quiet", ".", str(fresh.root))
    fresh.git("switch", "--quiet", "--create", "change")
    fresh.git("branch", "--quiet", "--force", "main", "origin/main")
    shutil.copytree(main.root / ".dvc/cache", fresh.root / ".dvc/cache")
    fresh.run("dvc", "pull", "--quiet")
    return fresh


def edit(clone: Clone, values: dict) -> None:
    """Set dotted keys of params.yaml."""
    file = clone.root / "params.yaml"
    document = yaml.safe_load(file.read_text())
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        node = document
        for key in parents:
            node = node[key]
        node[last] = value
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def commit_with_lock(clone: Clone, message: str) -> None:
    """Do what CONTRIBUTING asks for: run the pipeline, push, commit all of it together."""
    clone.run("dvc", "repro", "--quiet", "validate")
    clone.run("dvc", "commit", "--quiet", "--force", "track")  # its lock without a run in MLflow
    clone.run("dvc", "push", "--quiet")
    commit(clone, message)


def commit(clone: Clone, message: str) -> None:
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--allow-empty", "--message", message)


class Reviewed:
    """What `churn review` has said and written."""

    def __init__(self, clone: Clone, baseline: str = "main", **environment: str) -> None:
        done = clone.run("churn", "review", "--baseline", baseline, check=False, **environment)
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        folder = clone.root / "build/candidate"
        assert folder.is_dir(), f"{done.stdout}\n{done.stderr}"
        self.report = (folder / "report.md").read_text()
        self.page = (folder / "report.html").read_text()
        self.verdict = json.loads((folder / "verdict.json").read_text())
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.trained = "Running stage 'train'" in self.out + self.err

    @property
    def head(self) -> str:
        return self.report.splitlines()[0]

    @property
    def failed(self) -> list[str]:
        return [gate["name"] for gate in self.verdict["gates"] if not gate["passed"]]


def test_a_better_model_passes(branch: Clone) -> None:
    edit(branch, {"model.hyperparameters.max_iter": 1})
    commit_with_lock(branch, "hardly a model")
    branch.git("branch", "--force", "main")
    edit(branch, {"model.hyperparameters.max_iter": 60})
    commit_with_lock(branch, "a model")

    reviewed = Reviewed(branch)

    assert reviewed.code == 0, reviewed.out
    assert reviewed.head.startswith("## ✅ Merge: better than main: ROC AUC +0.")
    assert "**better**" in reviewed.report
    assert branch.run("churn", "candidate", "verify", "build/candidate", "--commit", "HEAD")
    assert branch.run("churn", "gate").returncode == 0


def test_a_stump_is_blocked_and_named(branch: Clone) -> None:
    edit(branch, {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}})
    commit_with_lock(branch, "stump")

    reviewed = Reviewed(branch)

    assert reviewed.code == 1
    assert reviewed.head.startswith("## ❌ Do not merge: ROC AUC is 0.")
    assert {"minimum of ROC AUC", "ROC AUC against main"} <= set(reviewed.failed)
    assert "**worse**" in reviewed.report
    assert branch.run("churn", "gate", check=False).returncode == 1


def test_what_is_equal_within_noise_is_inconclusive_and_allowed(branch: Clone) -> None:
    edit(branch, {"model.hyperparameters.min_samples_leaf": 38})
    commit_with_lock(branch, "nearly the same")

    reviewed = Reviewed(branch)

    assert reviewed.code == 0, reviewed.out
    assert reviewed.head.startswith("## ✅ Merge: no worse than main within the margin")
    assert "inconclusive" in reviewed.report


def test_the_drift_of_other_data_is_visible_and_named(branch: Clone) -> None:
    branch.run("churn", "synthesize", "--customers", "6000", "--seed", "4", "--drift", "14",
               "--output", "data/customers.csv")  # fmt: skip
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, "fourteen months later")

    reviewed = Reviewed(branch)

    assert reviewed.trained or reviewed.code in (0, 1)
    data = reviewed.report.partition("### Data")[2]
    assert "| `days_since_signup` | large |" in data
    assert "`data.dvc`" in reviewed.report


def test_documents_alone_train_nothing(branch: Clone) -> None:
    (branch.root / "README.md").write_text("# Other words\n")
    commit(branch, "words")
    shutil.rmtree(branch.root / "build")

    reviewed = Reviewed(branch)

    assert reviewed.code == 0
    assert not reviewed.trained
    assert not (branch.root / "build/model").exists()
    assert "No change to the model" in reviewed.head
    assert reviewed.manifest["model_digest"] is None


def test_a_stale_lock_is_blocked_with_the_way_to_mend_it(branch: Clone) -> None:
    edit(branch, {"model.hyperparameters.max_iter": 41})
    commit(branch, "and no dvc repro")

    reviewed = Reviewed(branch)

    assert reviewed.code == 1
    assert reviewed.trained
    assert reviewed.failed == ["dvc.lock"]
    assert "run dvc repro and dvc push, and commit dvc.lock" in reviewed.head


def test_a_changed_helper_module_is_retrained(branch: Clone) -> None:
    with (branch.root / "src/churn/model/threshold.py").open("a") as file:
        file.write("\n# changed\n")
    commit(branch, "a helper")

    reviewed = Reviewed(branch)

    assert reviewed.trained
    assert reviewed.manifest["model_digest"] is not None
    assert "identical" in reviewed.report


def test_a_check_that_crashes_is_blocked(branch: Clone) -> None:
    crashing = {
        "check": "TrainTestPerformance",
        "arguments": {"scorers": ["no such scorer"]},
        "conditions": {"train_test_relative_degradation_less_than": 0.9},
    }
    edit(branch, {"checks.model": [*CHECKS["model"], crashing]})
    commit_with_lock(branch, "a check that cannot run")

    reviewed = Reviewed(branch)

    assert reviewed.code == 1
    assert reviewed.failed == ["deepchecks"]
    assert "TrainTestPerformance crashed" in reviewed.head
    assert "This change moves its own limits" in reviewed.report


def test_a_metric_that_is_no_number_is_blocked(branch: Clone) -> None:
    branch.edit(
        "src/churn/model/artifact.py",
        "        return probability\n",
        "        return probability * float('nan')\n",
    )
    commit(branch, "nan")

    reviewed = Reviewed(branch)

    assert reviewed.code == 2
    assert reviewed.verdict["outcome"] == "stopped"
    assert "not a number from 0 to 1" in reviewed.head


def test_the_first_pull_request_ever_is_decided_by_minima_and_checks(branch: Clone) -> None:
    branch.git("switch", "--quiet", "--orphan", "empty")
    branch.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    branch.git("branch", "--force", "main")
    branch.git("switch", "--quiet", "change")
    branch.run("dvc", "checkout", "--quiet")

    reviewed = Reviewed(branch)

    assert reviewed.code == 0, reviewed.out
    assert "minima and checks are kept; main has no pipeline yet" in reviewed.head


def test_a_slice_that_collapses_while_the_average_holds_is_blocked(branch: Clone) -> None:
    # Everybody who is older than 54 gets a guess: a quarter of the customers, so that the wide
    # margin of the whole is kept.
    edit(branch, {"gates.margins": {"roc_auc": 0.2}, "gates.minima": {"roc_auc": 0.6}})
    branch.edit(
        "src/churn/model/artifact.py",
        "        return probability\n",
        "        old = X['age'].to_numpy() > 54\n"
        "        guess = (X['monetary_value'].to_numpy() * 7919 % 1)\n"
        "        return np.where(old, guess, probability)\n",
    )
    commit_with_lock(branch, "the old are guessed")

    reviewed = Reviewed(branch)

    assert reviewed.code == 1
    assert reviewed.failed == ["slices against main"]
    assert "worse than main in a slice: age" in reviewed.head


HOSTILE = "<img src=x onerror=alert(1)> @octocat #1 [a](http://evil.example) `x` | $y$ :tada:"


def test_hostile_text_stays_text(branch: Clone) -> None:
    table = branch.root / "data/customers.csv"
    lines = table.read_text().splitlines()
    cells = [f'"{HOSTILE.replace(chr(34), "")}"', '"fine"', '"@here"']
    lines = [f"{lines[0]},plan", *(f"{line},{cells[i % 3]}" for i, line in enumerate(lines[1:]))]
    table.write_text("\n".join(lines) + "\n")
    edit(branch, {
        "data.categorical": ["plan"],
        "evaluation.slices.categorical": ["plan"],
        "gates.slice_margins": {"roc_auc": 0.0},
        "split.salt": f"churn {HOSTILE}",
    })  # fmt: skip
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, HOSTILE)

    reviewed = Reviewed(branch)

    for text in (reviewed.page,):
        assert "<img src=x" not in text
        assert "evil.example)" not in text.replace("[a](http://evil.example)", "")
    assert "<img" not in reviewed.report.replace("`churn <img", "")


def test_a_report_that_is_too_long_is_folded_and_says_so(branch: Clone) -> None:
    more = {f"key_{i:04}": 0.5 for i in range(3)}
    assert more
    many = [
        {"check": "IsSingleValue", "conditions": {"not_single_value": None},
         "arguments": {"columns": ["age"] * 1}}
        for _ in range(900)
    ]  # fmt: skip
    edit(branch, {"checks.data_integrity": many})
    commit_with_lock(branch, "nine hundred checks")

    reviewed = Reviewed(branch)

    assert len(reviewed.report) < 60_000
    assert reviewed.head.startswith("## ")
