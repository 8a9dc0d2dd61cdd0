"""For each limit that ships, a plausible defect that it catches and no other limit does.

A limit without such a defect says nothing that another does not say, and only fails by chance.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import Params
from churn.core.paths import SIDES, Workspace
from churn.data import split, synthesize
from churn.evaluation.comparison import compare
from churn.evaluation.differences import Difference
from churn.evaluation.results import Metrics
from churn.evaluation.slices import slices
from churn.evaluation.tasks import Scored
from churn.model import artifact
from churn.model.threshold import decide
from churn.review import gate, limits
from churn.review.comparison import Absent, Compared, ComparedSlice, Comparison, Entry
from churn.stages import prepare, train
from churn.validation import program as deepchecks_program
from churn.validation.results import CheckResult, Checks
from tests import warm
from tests.binary import BINARY
from tests.conftest import ROOT
from tests.exhaustive import EXHAUSTIVE, rest_by_night

pytestmark = pytest.mark.long
Frame = pd.DataFrame
Sides = dict[str, Frame]
THRESHOLD = 0.16


@pytest.fixture(scope="module")
def healthy(settings: Params, tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """Return both sides of the table that ships, with what its model says of them."""
    table = ROOT / settings.data.path
    if not table.exists():
        pytest.skip("the data are not here; install them with make data")
    workspace = Workspace(tmp_path_factory.mktemp("healthy"))
    prepare.write(workspace, settings, table)
    train.write(workspace, settings)
    model = artifact.load(workspace.model)
    frames = {side: pd.read_parquet(workspace.split(side)) for side in SIDES}
    return {s: f.assign(probability=model.scores(f)) for s, f in frames.items()}


# deepchecks: defects of a table, of its split, and of predictions


def both(change: Callable[[Frame, np.random.Generator], Frame]) -> Callable[[Sides], Sides]:
    def changed(sides: Sides) -> Sides:
        return {
            s: change(f.copy(), np.random.default_rng(i)) for i, (s, f) in enumerate(sides.items())
        }

    return changed


def one(
    side: str, change: Callable[[Frame, np.random.Generator], Frame]
) -> Callable[[Sides], Sides]:
    def changed(sides: Sides) -> Sides:
        return sides | {side: change(sides[side].copy(), np.random.default_rng(0))}

    return changed


def plans(frame: Frame, rng: np.random.Generator, odd: str = "", share: float = 0.0) -> Frame:
    """Add a category, a share of which is odd."""
    plan = np.where(rng.random(len(frame)) < 0.5, "gold", "basic").astype(object)
    plan[rng.random(len(frame)) < share] = odd
    return frame.assign(plan=plan)


def twins(frame: Frame, share: float, **changes: Any) -> Frame:
    """Return some customers once more, under other ids."""
    again = frame.sample(frac=share, random_state=1)
    return again.assign(customer_id="X" + again["customer_id"].str[1:], **changes)


def missing_values(frame: Frame, rng: np.random.Generator) -> Frame:
    return frame.assign(age=frame["age"].mask(rng.random(len(frame)) < 0.15))


def two_words_for_missing(frame: Frame, rng: np.random.Generator) -> Frame:
    found = plans(frame, rng, "null", 0.02)
    found.loc[rng.random(len(found)) < 0.02, "plan"] = "none"
    return found


def conflicting(frame: Frame, rng: np.random.Generator) -> Frame:
    again = twins(frame, 0.015)
    return pd.concat([frame, again.assign(churned=1 - again["churned"])], ignore_index=True)


def hardly_any_churn(frame: Frame, rng: np.random.Generator) -> Frame:
    """Keep every tenth customer who churned, in the order of what is predicted."""
    ordered = frame.sort_values("probability")
    churned = ordered[ordered["churned"] == 1].iloc[5::10]
    found = pd.concat([ordered[ordered["churned"] == 0], churned]).sort_values("customer_id")
    # A model of such a table ranks well, or another check would find it.
    return found.assign(probability=0.7 * found["probability"] + 0.27 * found["churned"])


def ids_by_label(sides: Sides) -> Sides:
    """Number the customers in the order of their label, as an export does that sorts by it."""
    whole = pd.concat(sides, names=["side"]).reset_index("side")
    order = np.argsort(whole["churned"].to_numpy(), kind="stable")
    ids = whole["customer_id"].astype(object).to_numpy().copy()
    ids[order] = np.sort(ids)
    whole["customer_id"] = ids
    return {side: whole[whole["side"] == side].drop(columns="side") for side in sides}


def leaking(frame: Frame, rng: np.random.Generator) -> Frame:
    """Add a column that is known after the customer has gone."""
    told = np.where(
        rng.random(len(frame)) < 0.93, frame["churned"], rng.permutation(frame["churned"])
    )
    probability = 0.6 * told + 0.4 * frame["probability"]
    return frame.assign(refund=told * 10.0 + rng.random(len(frame)), probability=probability)


def leaked_ids(sides: Sides) -> Sides:
    test = sides["test"].copy()
    test.loc[test.index[:5], "customer_id"] = sides["train"]["customer_id"].iloc[:5].to_numpy()
    return sides | {"test": test}


def leaked_customers(sides: Sides) -> Sides:
    share = 0.04 * len(sides["test"]) / len(sides["train"])
    again = twins(sides["train"], share)
    return sides | {"test": pd.concat([sides["test"], again], ignore_index=True)}


def joined_by_the_wrong_key(frame: Frame, rng: np.random.Generator) -> Frame:
    """Give the ages to other customers: the older, the longer with us. No column has moved."""
    place = frame["days_since_signup"].rank() / len(frame) + 0.3 * rng.normal(size=len(frame))
    ages = np.sort(frame["age"].to_numpy())
    return frame.assign(age=ages[place.rank(method="first").astype(int) - 1])


def fewer_who_stay(frame: Frame, rng: np.random.Generator) -> Frame:
    return frame[(frame["churned"] == 1) | (rng.random(len(frame)) < 0.75)].reset_index(drop=True)


def score_of_another_supplier(sides: Sides) -> Sides:
    """A bought score that follows the label among training rows, and the model's own elsewhere."""
    changed = {}
    for i, (side, frame) in enumerate(sides.items()):
        rng, score = np.random.default_rng(i), frame["churned"].to_numpy() * 2.0
        if side == "test":
            groups = pd.qcut(frame["probability"].rank(method="first"), 20, labels=False)
            for group in range(20):
                members = (groups == group).to_numpy()
                score[members] = rng.permutation(score[members])
        flipped = rng.random(len(frame)) < 0.1
        score[flipped] = 2 - score[flipped]
        changed[side] = frame.assign(bought=score + rng.random(len(frame)))
    return changed


def ranked_by(frame: Frame, key: Any) -> Frame:
    """Give the same probabilities to other customers: in the order of `key`."""
    place = pd.Series(key).rank(method="first").astype(int).to_numpy() - 1
    return frame.assign(probability=np.sort(frame["probability"].to_numpy())[place])


def overfitted(frame: Frame, rng: np.random.Generator) -> Frame:
    return ranked_by(
        frame,
        frame["probability"].rank().to_numpy() / len(frame) + 1.5 * frame["churned"].to_numpy(),
    )


def noisy(frame: Frame, rng: np.random.Generator) -> Frame:
    p = frame["probability"].to_numpy()
    return ranked_by(frame, np.log(p / (1 - p)) + 1.4 * rng.normal(size=len(p)))


def blind_for_a_segment(frame: Frame, rng: np.random.Generator) -> Frame:
    value = frame["avg_order_value"]
    members = (value > value.quantile(0.93)).to_numpy()
    probability = frame["probability"].to_numpy().copy()
    probability[members] = rng.permutation(probability[members])
    return frame.assign(probability=probability)


DEFECTS: dict[str, Callable[[Sides], Sides]] = {
    "PercentOfNulls": both(missing_values),
    "MixedNulls": both(two_words_for_missing),
    "MixedDataTypes": both(lambda f, rng: plans(f, rng, "17", 0.05)),
    "IsSingleValue": both(lambda f, rng: f.assign(plan="gold")),
    "DataDuplicates": one(
        "train", lambda f, rng: pd.concat([f, twins(f, 0.03)], ignore_index=True)
    ),
    "ConflictingLabels": one("train", conflicting),
    "StringMismatch": both(lambda f, rng: plans(f, rng, "Gold", 0.02)),
    "SpecialCharacters": both(lambda f, rng: plans(f, rng, "$$$", 0.03)),
    "ClassImbalance": both(hardly_any_churn),
    "IdentifierLabelCorrelation": ids_by_label,
    "FeatureLabelCorrelation": both(leaking),
    "IndexTrainTestLeakage": leaked_ids,
    "TrainTestSamplesMix": leaked_customers,
    "NewCategoryTrainTest": lambda sides: {
        "train": plans(sides["train"], np.random.default_rng(0)),
        "test": plans(sides["test"], np.random.default_rng(1), "trial", 0.014),
    },
    "FeatureDrift": one("test", lambda f, rng: f.assign(age=f["age"] + 3)),
    "LabelDrift": one("test", fewer_who_stay),
    "MultivariateDrift": one("test", joined_by_the_wrong_key),
    "FeatureLabelCorrelationChange": score_of_another_supplier,
    "TrainTestPerformance": one("train", overfitted),
    "SimpleModelComparison": both(noisy),
    "PredictionDrift": one("test", lambda f, rng: f.assign(probability=f["probability"] ** 1.6)),
    "WeakSegmentsPerformance": both(blind_for_a_segment),
}


Checked = dict[str, dict[str, Any]]


# These take nine tenths of the time. By default each runs on the healthy table and on its own
# defect; on every defect with CHURN_TESTS_EXHAUSTIVE.
SLOW_CHECKS = {
    "ConflictingLabels",
    "FeatureLabelCorrelation",
    "FeatureLabelCorrelationChange",
    "IdentifierLabelCorrelation",
    "MultivariateDrift",
    "PredictionDrift",
    "TrainTestSamplesMix",
    "WeakSegmentsPerformance",
}


def beside(defect: str, check: str) -> bool:
    """Tell whether a check runs on the table with a defect by default."""
    return check not in SLOW_CHECKS or defect in {"none", check}


def run_checks(
    folder: Path,
    tables: dict[str, Sides],
    settings: Params,
    suites: dict[str, Any] | None = None,
    only: Callable[[str, str], bool] | None = None,
) -> dict[str, Checked]:
    """Run the shipped checks, or others, on tables; return what each check says of each table.

    `only` tells, by the names of a table and of a check, whether that is run.
    """
    try:
        python = deepchecks_program.checks_python()
    except Exception as error:
        pytest.skip(f"deepchecks cannot be run here; install it: {error}")
    listed = suites or {
        suite: [check.model_dump() for check in checks]
        for suite, checks in settings.checks.suites.items()
    }
    for name, sides in tables.items():
        (folder / name).mkdir()
        files = {}
        for side, frame in sides.items():
            files[side] = str(folder / name / f"{side}.parquet")
            predicted = frame.assign(prediction=decide(frame["probability"].to_numpy(), THRESHOLD))
            predicted.to_parquet(files[side], index=False)
        specification = {
            **files,
            "id": settings.data.id,
            "target": settings.data.target,
            "categorical": ["plan"] if "plan" in frame else [],
            "task": "binary",
            "scores": ["probability"],
            "seed": settings.checks.seed,
            "suites": {
                suite: [check for check in checks if only is None or only(name, check["check"])]
                for suite, checks in listed.items()
            },
        }
        (folder / name / "specification.json").write_text(json.dumps(specification))
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "ignore", "MPLBACKEND": "agg",
    }  # fmt: skip
    if warm.is_possible():
        python = warm.checks_python(python)
    command = [str(python), "-m", "tests.behaviour.run_checks", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        name: {
            check["check"]: check
            for check in json.loads((folder / name / "results.json").read_text())["checks"]
        }
        for name in tables
    }


def shipped(check: str, settings: Params) -> tuple[str, dict[str, Any]]:
    """Return the suite of a shipped check, and the check as params.yaml lists it."""
    [found] = [
        (suite, listed.model_dump())
        for suite, checks in settings.checks.suites.items()
        for listed in checks
        if listed.check == check
    ]
    return found


def not_passed(found: Checked) -> set[str]:
    return {name for name, check in found.items() if check["status"] != "passed"}


@pytest.fixture(scope="module")
def failing(
    healthy: Sides, settings: Params, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[str]]:
    """Return which checks do not pass, for each defect."""
    tables = {name: make(healthy) for name, make in {"none": dict, **DEFECTS}.items()}
    folder = tmp_path_factory.mktemp("defects")
    found = run_checks(folder, tables, settings, only=None if EXHAUSTIVE else beside)
    return {name: not_passed(checks) for name, checks in found.items()}


def test_each_check_that_ships_has_a_defect(settings: Params) -> None:
    shipped = {check.check for listed in settings.checks.suites.values() for check in listed}
    assert shipped == set(DEFECTS)


def test_a_table_without_a_defect_passes_every_check(failing: dict[str, set[str]]) -> None:
    assert failing["none"] == set()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_check_catches_its_defect_and_no_other_check_does(
    name: str, failing: dict[str, set[str]]
) -> None:
    assert failing[name] == {name}


# Limits are above what chance does with this many rows


def made_up(rows: int, settings: Params, drift: float = 0.0, seed: int = 3) -> Sides:
    """Make up a table; with a drift the held-out customers are those of so many months later."""
    before, after = (
        next(synthesize.customers(rows, seed, months)).to_pandas() for months in (0.0, drift)
    )
    is_test = split.is_test(before["customer_id"], 0.2, "salt")
    frames = {
        "train": before[~is_test].reset_index(drop=True),
        "test": after[is_test].reset_index(drop=True),
    }
    model = train.fit(frames["train"], settings).model
    return {s: f.assign(probability=model.scores(f)) for s, f in frames.items()}


def test_three_months_of_drift_are_noticed(settings: Params, tmp_path: Path) -> None:
    suite, listed = shipped("FeatureDrift", settings)
    tables = {"drifted": made_up(10_000, settings, drift=3)}
    found = run_checks(tmp_path, tables, settings, {suite: [listed]})["drifted"]
    assert "FeatureDrift" in not_passed(found)
    drift = found["FeatureDrift"]["outcomes"][0]["details"]
    assert drift.startswith("Failed for")
    assert "chance alone gives up to" in drift


@pytest.mark.exhaustive
def test_a_table_of_a_thousand_rows_passes(settings: Params, tmp_path: Path) -> None:
    found = run_checks(tmp_path, {"small": made_up(1000, settings)}, settings)["small"]
    assert not_passed(found) == set()
    weak = found["WeakSegmentsPerformance"]["outcomes"][0]["details"]
    assert "chance alone gives up to" in weak
    assert "Found" not in weak, "deepchecks' own words are those of a failure"


def test_a_table_of_fifty_rows_passes(settings: Params, tmp_path: Path) -> None:
    # These failed: by one held-out customer, an id that seemed to predict, and a crash.
    tables = {str(seed): made_up(50, settings, seed=seed) for seed in (1, 2, 4, 13, 18)}
    found = run_checks(tmp_path, tables, settings)
    assert set().union(*map(not_passed, found.values())) == set()
    details = found["1"]["SimpleModelComparison"]["outcomes"][0]["details"]
    assert details.endswith("held-out rows of the rarest label; it takes 10")


BY_LABEL = ("FeatureLabelCorrelationChange", "SimpleModelComparison")


@pytest.mark.parametrize("check", rest_by_night(BY_LABEL, ["SimpleModelComparison"]))
def test_from_ten_held_out_customers_of_a_label_a_check_by_label_counts(
    check: str, healthy: Sides, settings: Params, tmp_path: Path
) -> None:
    suite, listed = shipped(check, settings)
    defect = DEFECTS[check](healthy)
    leavers = defect["test"].index[defect["test"]["churned"] == 1]

    def with_leavers(count: int) -> Sides:
        return {**defect, "test": defect["test"].drop(leavers[count:])}

    tables = {"nine": with_leavers(9), "ten": with_leavers(10)}
    found = run_checks(tmp_path, tables, settings, {suite: [listed]})
    assert found["nine"][check]["outcomes"][0]["details"].startswith("9 held-out rows")
    assert found["ten"][check]["outcomes"][0]["condition"] != "There was nothing to find fault with"


ONE_EACH = {
    "data_integrity": ["ConflictingLabels"],
    "model": ["SimpleModelComparison", "WeakSegmentsPerformance"],
}


@pytest.mark.parametrize(
    ("check", "change"),
    [
        # deepchecks counts in a column of its own that is called so.
        ("ConflictingLabels", lambda f: f.rename(columns={"age": "count"})),
        # Its imputation loses the column, and then the number of rows.
        ("SimpleModelComparison", lambda f: f.assign(age=np.nan)),
        # It raises where there is no error to explain.
        (
            "WeakSegmentsPerformance",
            lambda f: f.assign(probability=np.where(f["churned"] == 1, 0.9, 0.1)),
        ),
    ],
)
def test_where_there_is_nothing_to_look_at_a_check_passes(
    check: str, change: Callable[[Frame], Frame], healthy: Sides, settings: Params, tmp_path: Path
) -> None:
    suites = {
        suite: [one.model_dump() for one in listed if one.check in ONE_EACH.get(suite, [])]
        for suite, listed in settings.checks.suites.items()
    }
    odd = {side: change(frame) for side, frame in healthy.items()}
    found = run_checks(tmp_path, {"odd": odd}, settings, suites)["odd"]
    assert found[check]["status"] == "passed", found[check]
    assert not_passed(found) == set()


@pytest.mark.parametrize("check", ["FeatureDrift", "LabelDrift", "PredictionDrift"])
def test_too_few_rows_to_measure_drift_pass_if_nobody_has_asked_for_more(
    check: str, healthy: Sides, settings: Params, tmp_path: Path
) -> None:
    suite, listed = shipped(check, settings)
    few = {side: frame.head(9) for side, frame in healthy.items()}
    found = run_checks(tmp_path, {"few": few}, settings, {suite: [listed]})["few"]
    assert found[check]["status"] == "passed", found[check]

    listed["arguments"] |= {"min_samples": 1_000_000}
    asked = run_checks(tmp_path, {"asked": healthy}, settings, {suite: [listed]})["asked"]
    assert asked[check]["status"] == "crashed"


def test_a_search_that_cannot_find_anything_has_not_passed(
    healthy: Sides, settings: Params, tmp_path: Path
) -> None:
    # No two segments are larger than half. deepchecks says the same as where nothing is weak.
    [listed] = [c for c in settings.checks.suites["model"] if c.check == "WeakSegmentsPerformance"]
    wrong = listed.model_dump()
    wrong["arguments"] |= {"segment_minimum_size_ratio": 0.6}
    found = run_checks(tmp_path, {"healthy": healthy}, settings, {"model": [wrong]})["healthy"]
    assert found["WeakSegmentsPerformance"]["status"] == "crashed"


# gates: defects of a model


def at(frame: Frame, places: slice, rng: np.random.Generator) -> np.ndarray:
    """Return the probabilities, shuffled among customers who rank at some places."""
    p = frame["probability"].to_numpy().copy()
    chosen = np.argsort(p)[places]
    p[chosen] = rng.permutation(p[chosen])
    return p


def swapped_with_the_top(frame: Frame, rng: np.random.Generator) -> np.ndarray:
    """Put some who stay above everybody, such as test accounts that a rule scores by itself."""
    p = frame["probability"].to_numpy().copy()
    staying = np.flatnonzero((frame["churned"] == 0).to_numpy() & (p > np.quantile(p, 0.6)))
    p[rng.choice(staying, 110, replace=False)] = p.max() + 1e-6
    return p


def worse_for_the_oldest(frame: Frame, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Let a model know a little more of everybody, and less of those in one slice."""
    p, y = frame["probability"].to_numpy(), frame["churned"].to_numpy()
    oldest = (frame["age"] > frame["age"].quantile(0.75)).to_numpy()
    better = p + 0.08 * (y - p)
    better[oldest] = change(p[oldest])
    return better


def shuffled_below(p: np.ndarray) -> np.ndarray:
    changed, low = p.copy(), p < np.quantile(p, 0.7)
    changed[low] = np.random.default_rng(0).permutation(p[low])
    return changed


def judged(
    frame: Frame, settings: Params, candidate: Scored | None, baseline: Scored | None
) -> list[str]:
    """Name the gates that fail; without a candidate, of the baseline alone."""
    y = frame["churned"].to_numpy()
    chosen = settings.comparison.model_copy(update={"resamples": 1000})
    judge = candidate or baseline
    assert judge is not None

    def compared(members: np.ndarray) -> list[Difference]:
        assert baseline is not None
        return compare(BINARY, y[members], baseline.of(members), judge.of(members),
                       chosen.seed, chosen.resamples)  # fmt: skip

    entry: Entry = Absent(name="main", kind="revision", absent="no pipeline yet")
    if baseline is not None:
        groups = slices(frame, frame, settings.evaluation.slices)
        parts = [ComparedSlice(column=column, slice=name, rows=int(members.sum()),
                               metrics=compared(members))
                 for column, name, members in groups
                 if members.sum() >= settings.evaluation.slices.min_rows]  # fmt: skip
        entry = Compared(name="main", kind="revision", model_digest="b", rows=len(y),
                         metrics=compared(np.ones(len(y), dtype=bool)), slices=parts)  # fmt: skip
    checks = [CheckResult(suite=suite, check=check.check, status="passed", outcomes=[])
              for suite, listed in settings.checks.suites.items() for check in listed]  # fmt: skip
    measured = BINARY.measure(y, judge).values
    results = gate.Results(
        metrics=Metrics(threshold=judge.rule, train={}, test=measured),
        checks=Checks.of(checks, {}),
        comparison=Comparison(model_digest="a", baselines=[entry]),
        model_digest="a",
        stale=[],
        outputs=gate.Outputs("same"),
    )
    verdict = gate.judge(results, [limits.own(settings)])
    return [found.name for found in verdict.gates if not found.passed]


CUT = 0.16
MODELS: dict[str, tuple[Callable[[Frame, np.random.Generator], np.ndarray], float]] = {
    "ROC AUC against main": (lambda f, rng: at(f, slice(0, 800), rng), CUT),
    "average precision against main": (lambda f, rng: at(f, slice(1700, 2000), rng), CUT),
    "cost per customer against main": (lambda f, rng: f["probability"].to_numpy(), 0.35),
    "Brier score against main": (lambda f, rng: f["probability"].to_numpy() ** 0.7, CUT**0.7),
}


def baseline_of(frame: Frame) -> Scored:
    return Scored(frame["probability"].to_numpy(), CUT)


def test_main_s_own_model_keeps_every_gate(healthy: Sides, settings: Params) -> None:
    frame = healthy["test"]
    assert judged(frame, settings, baseline_of(frame), baseline_of(frame)) == []


def test_each_margin_that_ships_has_a_defect(settings: Params) -> None:
    assert len(settings.gates.margins) == len(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_margin_catches_its_defect_and_no_other_gate_does(
    name: str, healthy: Sides, settings: Params
) -> None:
    frame = healthy["test"]
    make, threshold = MODELS[name]
    candidate = Scored(make(frame, np.random.default_rng(0)), threshold)
    assert judged(frame, settings, candidate, baseline_of(frame)) == [name]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("minimum of ROC AUC", lambda f, rng: at(f, slice(0, 1480), rng)),
        ("minimum of average precision", swapped_with_the_top),
    ],
)
def test_a_minimum_catches_its_defect_and_no_other_gate_does(
    name: str, make: Any, healthy: Sides, settings: Params
) -> None:
    frame = healthy["test"]
    candidate = Scored(make(frame, np.random.default_rng(0)), CUT)
    assert judged(frame, settings, candidate, None) == [name]


@pytest.mark.parametrize("metric", ["roc_auc", "brier"])
def test_a_margin_of_slices_catches_its_defect_and_no_other_gate_does(
    metric: str, healthy: Sides, settings: Params
) -> None:
    frame = healthy["test"]
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "roc_auc": shuffled_below,
        "brier": lambda p: p**0.47,
    }
    candidate = Scored(worse_for_the_oldest(frame, changes[metric]), CUT)
    margins = {metric: settings.gates.slice_margins[metric]}
    others = settings.gates.model_copy(update={"slice_margins": margins})
    alone = settings.model_copy(update={"gates": others})
    assert judged(frame, alone, candidate, baseline_of(frame)) == ["slices against main"]
    without = {k: v for k, v in settings.gates.slice_margins.items() if k != metric}
    none = settings.gates.model_copy(update={"slice_margins": without})
    blind = settings.model_copy(update={"gates": none})
    assert judged(frame, blind, candidate, baseline_of(frame)) == []
