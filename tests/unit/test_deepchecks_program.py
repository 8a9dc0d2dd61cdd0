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

THRESHOLD = 0.35


def checks(**suites: list[dict[str, Any]]) -> ChecksParams:
    built = {name: tuple(Check(**check) for check in listed) for name, listed in suites.items()}
    return ChecksParams(max_rows=5000, seed=1, **built)


@pytest.fixture(scope="module")
def frames(customers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return scored sides, with one customer of the training rows among the 121 of the other."""
    scored = customers.assign(probability=np.random.default_rng(0).random(len(customers)))
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
    results = deepchecks_program.run(frames, settings.data, listed, THRESHOLD, steps.append)
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


def judged(
    frames: dict[str, pd.DataFrame], settings: Params, suite: str, check: dict[str, Any]
) -> tuple[str, list[str]]:
    """Return the status of one check, and what each condition says."""
    listed = checks(**{suite: [check]})
    [result] = deepchecks_program.run(frames, settings.data, listed, THRESHOLD)
    return result.status, [outcome.details for outcome in result.outcomes]


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
    labelled = customers.assign(probability=0.5, churned=np.arange(600) < churned)
    labelled["churned"] = labelled["churned"].astype("int8")
    frames = {"train": labelled.iloc[::2], "test": labelled.iloc[1::2]}
    check = {"check": "ClassImbalance", "conditions": {"class_ratio_greater_than": 0.05}}
    assert judged(frames, settings, "data_integrity", check) == (status, [details])


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
        deepchecks_program.run(
            frames, settings.data, checks(train_test=[good | changes]), THRESHOLD
        )


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
        deepchecks_program.run(frames, settings.data, checks(), THRESHOLD)
    assert PYTHON_VARIABLE in str(caught.value)


def test_an_environment_without_deepchecks_is_named_with_what_python_said(
    frames: dict[str, pd.DataFrame], settings: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    with pytest.raises(ChecksError, match=r"stopped with code 1: .*No module named 'deepchecks'"):
        deepchecks_program.run(frames, settings.data, checks(), THRESHOLD)


def test_a_missing_environment_is_named(
    frames: dict[str, pd.DataFrame],
    settings: Params,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(ChecksError, match=r"python: the checks' environment is not there"):
        deepchecks_program.run(frames, settings.data, checks(), THRESHOLD)


NUMBERS = np.random.default_rng(1).normal(size=4000)
WORDS = pd.Series(np.random.default_rng(2).choice(["a", "b", None], 4000), dtype="str")
TABLE = pd.DataFrame({"id": range(4000), "number": NUMBERS, "word": WORDS})
FEATURES = ["number", "word"]
COLUMNS = DataParams(
    path="", id="id", target="left", positive=1, numeric=("number",), categorical=("word",)
)


def sides(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Hold out the last fifth."""
    cut = len(table) * 4 // 5
    return {"train": table.iloc[:cut], "test": table.iloc[cut:]}


def share_of_duplicates(table: pd.DataFrame) -> float:
    return table.duplicated(FEATURES).mean()


def test_a_small_table_is_not_sampled() -> None:
    frames = {"train": TABLE, "test": TABLE.head(500)}
    assert sample(frames, COLUMNS, 4500) is frames


def test_a_sample_has_as_many_rows_as_wanted_and_the_sides_keep_their_proportion() -> None:
    chosen = sample(sides(TABLE), COLUMNS, 1000)
    assert len(chosen["train"]) + len(chosen["test"]) == 1000
    # Five standard deviations: 5 sqrt(1000 x 0.2 x 0.8 x 0.75).
    assert len(chosen["test"]) == pytest.approx(200, abs=55)


def test_a_sample_depends_on_neither_the_order_of_the_rows_nor_ids_where_nobody_is_equal() -> None:
    alike = TABLE.assign(number=TABLE["number"].round(1))
    for table in (TABLE, alike):
        shuffled = table.sample(frac=1, random_state=1)
        one, other = (sample({"all": t}, COLUMNS, 500)["all"] for t in (table, shuffled))
        pd.testing.assert_frame_equal(one, other.sort_index())
    renamed = sample({"all": TABLE.assign(id=TABLE["id"] + 9000)}, COLUMNS, 500)["all"]
    assert renamed.index.equals(sample({"all": TABLE}, COLUMNS, 500)["all"].index)


def test_a_small_sample_holds_the_same_share_of_duplicates_as_the_table() -> None:
    again = TABLE.head(2000).assign(id=range(4000, 6000))
    chosen = sample({"train": TABLE, "test": again}, COLUMNS, 600)
    copied = chosen["test"].merge(chosen["train"], on=FEATURES)
    assert len(copied) == len(chosen["test"]) > 100


@pytest.mark.parametrize("seed", range(5))
def test_a_value_that_many_share_keeps_its_share_and_nobody_is_one_too_many(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nothing = rng.random(50_000) < 0.4
    table = pd.DataFrame({"id": range(50_000), "number": rng.random(50_000), "word": "a"})
    table.loc[nothing, "number"] = 0.0
    chosen = sample(sides(table), COLUMNS, 5000)
    assert 4990 < sum(map(len, chosen.values())) <= 5000
    for side, whole in sides(table).items():
        assert len(chosen[side]) == pytest.approx(len(whole) / 10, rel=0.15)
        expected = (whole["number"] == 0).mean()
        assert (chosen[side]["number"] == 0).mean() == pytest.approx(expected, abs=0.07)


@pytest.mark.parametrize("seed", range(5))
def test_a_table_with_few_different_customers_is_sampled(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": range(12_000), "number": rng.integers(0, 4, 12_000), "word": "a"})
    chosen = sample(sides(table), COLUMNS, 1000)
    assert 990 < sum(map(len, chosen.values())) <= 1000
    assert len(chosen["test"]) > 100
    for frame in chosen.values():
        assert set(frame["number"]) == {0, 1, 2, 3}


@pytest.mark.parametrize("copies", [2, 5, 10, 25])
def test_duplicates_are_seen_however_small_the_sample_is(copies: int) -> None:
    # A tenth of the customers have copies, of whom a hundredth would hardly be two at once.
    rng = np.random.default_rng(0)
    kinds = 40_000 * 0.1 / copies
    number = np.r_[np.repeat(np.arange(kinds), copies), rng.random(36_000) - 1]
    table = pd.DataFrame({"id": range(40_000), "number": rng.permutation(number), "word": "a"})
    (chosen,) = sample({"all": table}, COLUMNS, 2000).values()
    assert share_of_duplicates(chosen) > 0.7 * share_of_duplicates(table) > 0.03


def test_conflicting_labels_are_seen_in_a_sample() -> None:
    table = pd.concat([TABLE, TABLE.head(400).assign(id=range(4000, 4400))], ignore_index=True)
    table["left"] = [0] * 4000 + [1] * 400
    (chosen,) = sample({"all": table}, COLUMNS, 600).values()
    conflicts = chosen.groupby(FEATURES, dropna=False)["left"].transform("nunique") > 1
    assert conflicts.mean() == pytest.approx(800 / 4400, abs=0.08)


def test_a_sample_that_leaves_nobody_of_a_side_is_refused() -> None:
    with pytest.raises(ParamsError) as caught:
        sample({"train": TABLE.iloc[1:], "test": TABLE.iloc[:1]}, COLUMNS, 200)
    assert str(caught.value) == (
        "params.yaml: checks.max_rows: the test rows are 1 of 4,000 customers, and none is among"
        " 200; set it higher"
    )


def test_training_rows_among_the_held_out_ones_are_found_in_a_sample(
    frames: dict[str, pd.DataFrame], settings: Params
) -> None:
    rng = np.random.default_rng(3)
    train = frames["train"].sample(6000, replace=True, random_state=1, ignore_index=True)
    train["monetary_value"] += rng.random(6000)  # all rows differ
    train["customer_id"] = [f"C{i:08d}" for i in range(6000)]
    fresh = train.head(1500).assign(monetary_value=train["monetary_value"].head(1500) + 1)
    test = pd.concat([fresh, train.tail(60)])  # one in 26 is a training row
    test["customer_id"] = [f"D{i:08d}" for i in range(len(test))]
    listed = checks(
        train_test=[
            {"check": "TrainTestSamplesMix", "conditions": {"duplicates_ratio_less_or_equal": 0.01}}
        ]
    )
    chosen = sample({"train": train, "test": test}, settings.data, 2000)
    (result,) = deepchecks_program.run(chosen, settings.data, listed, THRESHOLD)
    assert len(chosen["test"]) < 500
    assert result.status == "failed"


def test_customers_who_stand_twice_under_other_ids_are_found(
    frames: dict[str, pd.DataFrame], settings: Params
) -> None:
    again = frames["test"].assign(customer_id=[f"D{i:08d}" for i in range(len(frames["test"]))])
    doubled = frames | {"test": pd.concat([frames["test"], again])}
    listed = checks(
        data_integrity=[{"check": "DataDuplicates", "conditions": {"ratio_less_or_equal": 0.02}}]
    )
    (result,) = deepchecks_program.run(doubled, settings.data, listed, THRESHOLD)
    assert result.status == "failed"


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
            {"train": train, "test": test}, settings.data, listed, THRESHOLD
        )
        assert [result.status for result in results] == ["passed"]
