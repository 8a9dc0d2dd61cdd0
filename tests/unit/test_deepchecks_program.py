"""Calling deepchecks; the real program, in its own environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churn.core.errors import ChecksError, ParamsError
from churn.core.params import Check, ChecksParams, DataParams, Params
from churn.validation import program as deepchecks_program
from churn.validation.program import PYTHON_VARIABLE, sample
from churn.validation.results import CheckResult
from tests import warm
from tests.binary import OUTPUT, predicted

pytestmark = pytest.mark.slow

THRESHOLD = 0.35


def checks(**suites: list[dict[str, Any]]) -> ChecksParams:
    built = {name: tuple(Check(**check) for check in listed) for name, listed in suites.items()}
    return ChecksParams(max_rows=5000, seed=1, **built)


@pytest.fixture(scope="module")
def frames(customers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return scored sides, with one customer of the training rows among the 121 of the other."""
    scored = predicted(customers, np.random.default_rng(0).random(len(customers)), THRESHOLD)
    leaked = scored.iloc[[5]]
    return {"train": scored.iloc[:480], "test": pd.concat([scored.iloc[480:], leaked])}


@pytest.fixture(scope="module")
def reported(
    frames: dict[str, pd.DataFrame], settings: Params
) -> tuple[list[CheckResult], list[str]]:
    """Return what one run of the program finds, and the steps that it reports."""
    listed = checks(
        data_integrity=[
            {
                "check": "PercentOfNulls",
                "conditions": {"percent_of_nulls_not_greater_than": 0.001},
            },
            {
                "check": "ClassImbalance",
                "conditions": {"class_ratio_greater_than": {"threshold": 0.05}},
            },
        ],
        train_test=[{"check": "IndexTrainTestLeakage", "conditions": {"ratio_less_or_equal": 0}}],
        model=[
            {
                "check": "TrainTestPerformance",
                "arguments": {"scorers": ["accuracy"]},
                "conditions": {"train_test_relative_degradation_less_than": 0.9},
            },
            {
                "check": "TrainTestPerformance",
                "arguments": {"scorers": ["no such scorer"]},
                "conditions": {"train_test_relative_degradation_less_than": 0.9},
            },
            {"check": "RocReport", "conditions": {"auc_greater_than": 0.1}},
        ],
    )
    steps: list[str] = []
    results = deepchecks_program.run(frames, settings.data, listed, OUTPUT, steps.append)
    return results, steps


def test_each_check_is_reported_in_its_order(
    reported: tuple[list[CheckResult], list[str]],
) -> None:
    results, steps = reported
    assert steps == [result.check for result in results]
    assert [(result.suite, result.check, result.status) for result in results] == [
        ("data_integrity", "PercentOfNulls", "failed"),
        ("data_integrity", "ClassImbalance", "passed"),
        ("train_test", "IndexTrainTestLeakage", "failed"),
        ("model", "TrainTestPerformance", "passed"),
        ("model", "TrainTestPerformance", "crashed"),
        ("model", "RocReport", "passed"),
    ]


def test_a_check_that_crashes_says_why_and_has_no_outcomes(
    reported: tuple[list[CheckResult], list[str]],
) -> None:
    crashed = reported[0][4]
    assert "no such scorer" in crashed.error
    assert crashed.outcomes == []


def test_integrity_is_tested_on_both_sides_together(
    reported: tuple[list[CheckResult], list[str]], frames: dict[str, pd.DataFrame]
) -> None:
    nulls, balance = reported[0][:2]
    both = pd.concat(frames.values())
    missing = {column: next(iter(found.values())) for column, found in nulls.value.items()}
    assert missing["age"] == pytest.approx(both["age"].isna().mean(), abs=5e-5)
    assert missing["frequency"] == 0
    assert [outcome.passed for outcome in nulls.outcomes] == [False]
    ratio = both["churned"].sum() / (1 - both["churned"]).sum()
    found = float(balance.outcomes[0].details.split()[0])
    assert found == pytest.approx(ratio, abs=5e-5)
    assert balance.value == {str(k): n for k, n in both["churned"].value_counts().items()}


def test_a_leaked_customer_is_found(
    reported: tuple[list[CheckResult], list[str]],
) -> None:
    assert reported[0][2].value == pytest.approx(1 / 121, abs=5e-5)


def test_the_given_predictions_are_judged_at_the_threshold(
    reported: tuple[list[CheckResult], list[str]], frames: dict[str, pd.DataFrame]
) -> None:
    performance = reported[0][3].value
    for side, frame in frames.items():
        accuracy = ((frame["probability"] >= THRESHOLD) == frame["churned"]).mean()
        [found] = [row["Value"] for row in performance if row["Dataset"].lower() == side]
        assert found == pytest.approx(accuracy, abs=5e-5)


def test_a_check_of_one_side_gets_the_held_out_one(
    reported: tuple[list[CheckResult], list[str]], frames: dict[str, pd.DataFrame]
) -> None:
    test = frames["test"]
    auc = roc_auc_score(test["churned"], test["probability"])
    assert f"AUC found is {round(auc, 2):g} " in reported[0][5].outcomes[0].details


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program start at once; `reported` has one that is started as users' are."""
    if warm.is_possible():
        python = warm.checks_python(deepchecks_program.checks_python())
        monkeypatch.setenv(PYTHON_VARIABLE, str(python))


def judged(
    frames: dict[str, pd.DataFrame], settings: Params, suite: str, check: dict[str, Any]
) -> tuple[str, list[str]]:
    """Return the status of one check, and what each condition says."""
    listed = checks(**{suite: [check]})
    [result] = deepchecks_program.run(frames, settings.data, listed, OUTPUT)
    return result.status, [outcome.details for outcome in result.outcomes]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("churned", "status", "details"),
    [
        # 28 of 600 are 0.0467, rounded 0.05, whose ratio to the rest would be 0.053.
        (28, "failed", "0.0490 customers of the rarer label for each other"),
        (29, "passed", "0.0508 customers of the rarer label for each other"),
        (0, "failed", "0.0000 customers of the rarer label for each other"),
    ],
)
def test_too_few_customers_who_churned_are_found_by_their_number(
    churned: int, status: str, details: str, customers: pd.DataFrame, settings: Params
) -> None:
    labelled = predicted(customers, np.full(600, 0.5), THRESHOLD)
    labelled["churned"] = (np.arange(600) < churned).astype("int8")
    frames = {"train": labelled.iloc[::2], "test": labelled.iloc[1::2]}
    check = {"check": "ClassImbalance", "conditions": {"class_ratio_greater_than": 0.05}}
    assert judged(frames, settings, "data_integrity", check) == (status, [details])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"check": "PercentOfNils"},
            r"params\.yaml: checks\.train_test\.0: check 'PercentOfNils' is unknown"
            r" \(valid: .*PercentOfNulls.*RocReport",
        ),
        (
            {"arguments": {"samples": 5}},
            r"params\.yaml: checks\.train_test\.0\.arguments: IndexTrainTestLeakage argument"
            r" 'samples' is unknown \(valid: .*n_samples",
        ),
        (
            {"conditions": {"ratio_is_small": None}},
            r"params\.yaml: checks\.train_test\.0\.conditions: IndexTrainTestLeakage condition"
            r" 'ratio_is_small' is unknown \(valid: ratio_less_or_equal\)",
        ),
    ],
    ids=["check", "argument", "condition"],
)
def test_an_unknown_name_is_refused_with_the_valid_ones(
    changes: dict[str, Any], message: str, frames: dict[str, pd.DataFrame], settings: Params
) -> None:
    good = {"check": "IndexTrainTestLeakage", "conditions": {"ratio_less_or_equal": 0}}
    with pytest.raises(ParamsError, match=message):
        deepchecks_program.run(frames, settings.data, checks(train_test=[good | changes]), OUTPUT)


@pytest.mark.parametrize(("mode", "why"), [(0o644, "Permission denied"), (0o755, "Exec format")])
def test_a_file_that_is_no_program_is_refused(
    mode: int,
    why: str,
    frames: dict[str, pd.DataFrame],
    settings: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "python").write_text("no program")
    (tmp_path / "python").chmod(mode)
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(ChecksError, match=f"python: cannot be run .{why}") as caught:
        deepchecks_program.run(frames, settings.data, checks(), OUTPUT)
    assert PYTHON_VARIABLE in str(caught.value)


def test_an_environment_without_deepchecks_is_named_with_what_python_said(
    frames: dict[str, pd.DataFrame], settings: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    with pytest.raises(ChecksError, match=r"stopped with code 1: .*No module named 'deepchecks'"):
        deepchecks_program.run(frames, settings.data, checks(), OUTPUT)


def test_a_missing_environment_is_named(
    frames: dict[str, pd.DataFrame],
    settings: Params,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(ChecksError, match=r"python: the checks' environment is not there"):
        deepchecks_program.run(frames, settings.data, checks(), OUTPUT)


NUMBERS = np.random.default_rng(1).normal(size=4000)
WORDS = pd.Series(np.random.default_rng(2).choice(["a", "b", None], 4000), dtype="str")
TABLE = pd.DataFrame({"id": range(4000), "number": NUMBERS, "word": WORDS})
COLUMNS = DataParams(
    path="", id="id", target="left", positive=1, numeric=("number",), categorical=("word",)
)


def sides(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Hold out the last fifth."""
    cut = len(table) * 4 // 5
    return {"train": table.iloc[:cut], "test": table.iloc[cut:]}


def test_a_small_table_is_not_sampled() -> None:
    frames = {"train": TABLE, "test": TABLE.head(500)}
    assert sample(frames, COLUMNS, 4500) is frames


def test_a_sample_has_as_many_rows_as_wanted_and_the_sides_keep_their_proportion() -> None:
    chosen = sample(sides(TABLE), COLUMNS, 1000)
    assert len(chosen["train"]) + len(chosen["test"]) == 1000
    # Five standard deviations: 5 sqrt(1000 x 0.2 x 0.8 x 0.75).
    assert len(chosen["test"]) == pytest.approx(200, abs=55)


def test_a_sample_does_not_depend_on_the_order_of_the_rows() -> None:
    shuffled = TABLE.sample(frac=1, random_state=1)
    chosen, again = (sample({"all": table}, COLUMNS, 500)["all"] for table in (TABLE, shuffled))
    pd.testing.assert_frame_equal(chosen, again.sort_index())


def test_a_sample_that_leaves_nobody_of_a_side_is_refused() -> None:
    with pytest.raises(ParamsError) as caught:
        sample({"train": TABLE.drop(1), "test": TABLE.loc[[1]]}, COLUMNS, 200)
    assert str(caught.value) == (
        "params.yaml: checks.max_rows: the test rows are 1 of 4,000 customers, and none is among"
        " 200; set it higher"
    )


EQUAL_ROWS = {
    "data_integrity": [
        {"check": "DataDuplicates", "conditions": {"ratio_less_or_equal": 0.002}},
        {
            "check": "ConflictingLabels",
            "conditions": {"ratio_of_conflicting_labels_less_or_equal": 0.002},
        },
    ],
    "train_test": [
        {"check": "TrainTestSamplesMix", "conditions": {"duplicates_ratio_less_or_equal": 0.01}}
    ],
}


@pytest.mark.usefixtures("at_once")
def test_equal_rows_are_found_however_small_the_sample_is(
    frames: dict[str, pd.DataFrame], settings: Params
) -> None:
    rng = np.random.default_rng(3)
    train = frames["train"].sample(6000, replace=True, random_state=1, ignore_index=True)
    train["monetary_value"] += rng.random(6000)  # all rows differ
    train["customer_id"] = [f"C{i:08d}" for i in range(6000)]
    fresh = train.head(1500).assign(monetary_value=train["monetary_value"].head(1500) + 1)
    healthy = {"train": train, "test": fresh.assign(customer_id=[f"D{i:08d}" for i in range(1500)])}
    # One in 26 is a training row, and a third of these has the other label.
    copies = train.tail(60).assign(customer_id=[f"E{i:08d}" for i in range(60)])
    copies.loc[copies.index[:20], "churned"] ^= 1
    copied = healthy | {"test": pd.concat([healthy["test"], copies], ignore_index=True)}
    for whole, status in ((healthy, "passed"), (copied, "failed")):
        chosen = sample(whole, settings.data, 200)
        found = deepchecks_program.run(
            chosen, settings.data, checks(**EQUAL_ROWS), OUTPUT, whole=whole
        )
        assert {result.check: result.status for result in found} == dict.fromkeys(
            ("DataDuplicates", "ConflictingLabels", "TrainTestSamplesMix"), status
        )


@pytest.mark.usefixtures("at_once")
def test_customers_who_stand_twice_under_other_ids_are_found(
    frames: dict[str, pd.DataFrame], settings: Params
) -> None:
    again = frames["test"].assign(customer_id=[f"D{i:08d}" for i in range(len(frames["test"]))])
    doubled = frames | {"test": pd.concat([frames["test"], again])}
    listed = checks(
        data_integrity=[{"check": "DataDuplicates", "conditions": {"ratio_less_or_equal": 0.02}}]
    )
    (result,) = deepchecks_program.run(doubled, settings.data, listed, OUTPUT)
    assert result.status == "failed"


@pytest.mark.usefixtures("at_once")
def test_long_ids_and_ids_that_differ_in_zeros_stay_what_they_are(
    frames: dict[str, pd.DataFrame], settings: Params
) -> None:
    listed = checks(
        train_test=[{"check": "IndexTrainTestLeakage", "conditions": {"ratio_less_or_equal": 0}}]
    )
    for ids in ([f"C{i}" for i in range(1, 1201)], [f"{10**23 + i}" for i in range(1200)]):
        n = len(frames["test"])
        train = frames["train"].assign(customer_id=[*ids[:480]])
        zeros = [name.replace("C", "C0") if name[0] == "C" else name for name in ids]
        others = zeros[:n] if ids[0][0] == "C" else zeros[600 : 600 + n]
        test = frames["test"].assign(customer_id=others)
        results = deepchecks_program.run(
            {"train": train, "test": test}, settings.data, listed, OUTPUT
        )
        assert [result.status for result in results] == ["passed"]
