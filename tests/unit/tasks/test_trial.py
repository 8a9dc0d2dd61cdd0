"""How two versions of numbers and of classes compare on a trial, and how often that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core import params
from churn.core.errors import ArtifactError
from churn.core.params import Decision, MulticlassDecision, RegressionDecision
from churn.data.split import hash_share
from churn.evaluation import reference, tasks, trial_gate
from churn.evaluation.always_valid import ConfidenceSequence
from churn.evaluation.reference import Reference
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.contrast import Contrast, Contrasts, Scale
from churn.evaluation.trial import Comparison, Tried, compare
from churn.evaluation.trial_differences import Differences, Groups, Pairs
from churn.model.outputs.multiclass import Multiclass as MulticlassOutput
from churn.serve.trial_lines import lines
from tests.conftest import PARAMS
from tests.exhaustive import rest_by_night
from tests.unit.tasks.conftest import CLASSES, Fit
from tests.unit.tasks.test_monitoring import SLICES

pytestmark = pytest.mark.long

LOOKS = 10_000
MARGINS: dict[Any, float] = {"cost": 0.05, "mae": 0.02}
NUMBERS = RegressionDecision(cost_too_low=3.0, cost_too_high=1.0, folds=5, max_rows=1000)
LEVELS = MulticlassDecision(costs={"high": 3.0}, folds=5, max_rows=1000)


@dataclass(frozen=True)
class Drawn:
    """Customers with labels ``y``, and what two versions predict for each."""

    champion: pd.DataFrame
    challenger: pd.DataFrame

    @property
    def y(self) -> np.ndarray:
        return self.champion["y"].to_numpy()

    @property
    def labels(self) -> pd.Series:
        return pd.Series(self.y, index=[f"C{i}" for i in range(len(self.y))])

    def logged(self, *roles: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return both as rows of a log."""
        ids = self.labels.index
        own = {"request_id": "r" + ids, "time": pd.Timestamp("2026-02-28", tz="UTC"), "row": 0}
        own |= {"customer_id": ids, "scoring_ms": 1.0}
        champion, challenger = (
            side.drop(columns="y").assign(**own, role=role)
            for side, role in zip((self.champion, self.challenger), roles, strict=True)
        )
        return champion, challenger


Tails = Callable[[np.random.Generator, int], np.ndarray]
TAILS: dict[str, Tails] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "t3": lambda rng, n: rng.standard_t(3, size=n),
    "log-normal": lambda rng, n: np.exp(rng.normal(size=n)) - np.exp(0.5),
}
# Half widths that hold nine tenths of these, as the champion's reference has them.
HALF_WIDTHS = {"normal": 1.65, "t3": 2.35, "log-normal": 1.95}


def numbers(rng: np.random.Generator, n: int, tails: str = "t3", worse: float = 0.0) -> Drawn:
    """Draw numbers, and predictions of two versions that err alike."""
    explained, one, other = rng.normal(size=(3, n)) * [[2.0], [0.3], [0.3]]
    y = 10 + explained + TAILS[tails](rng, n)
    champion, challenger = 10 + explained + one, 10 + explained + other + worse
    return Drawn(*(pd.DataFrame({"prediction": p, "y": y}) for p in (champion, challenger)))


def levels(rng: np.random.Generator, n: int, worse: float = 0.0) -> Drawn:
    """Draw classes, of which one is rare, and probabilities of two versions that are as good."""
    y = rng.choice(3, n, p=[0.55, 0.35, 0.1])
    shared = rng.normal(size=(n, 3))
    sides = []
    for blur in (0.0, worse):
        own = np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=(n, 3))
        logits = np.log([0.55, 0.35, 0.1]) + own + 1.5 * (1 - blur) * np.eye(3)[y]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        answer = MulticlassOutput(CLASSES).answer(p, (1.0, 1.0, 3.0))
        sides.append(pd.DataFrame({**answer, "y": y}))
    return Drawn(*sides)


def scale(tails: str = "t3") -> Scale:
    return Scale(4 * HALF_WIDTHS[tails], 3.0, 17.0)


def of_numbers(tails: str = "t3") -> Contrasts:
    return tasks.of(NUMBERS).contrasts({}, scale(tails))


def of_levels() -> Contrasts:
    return tasks.of(LEVELS, CLASSES).contrasts({}, None)


def paired(drawn: Drawn) -> Differences:
    return Pairs(drawn.champion, drawn.challenger)


def divided(drawn: Drawn, rng: np.random.Generator, share: float) -> Differences:
    its = rng.random(len(drawn.champion)) < share
    sides = (
        drawn.champion[~its].assign(role="champion"),
        drawn.challenger[its].assign(role="challenger"),
    )
    return Groups(pd.concat(sides).sort_index(), share)


# What is compared in which case: versions of which neither is better, and all contrasts of a kind,
# of which any may stop the trial.
def cost_of(tails: str) -> list[Contrast]:
    return [of_numbers(tails).losses[0]]


def prediction() -> list[Contrast]:
    found = of_numbers().predicted
    assert found is not None
    return [found]


Case = tuple[list[Contrast], Callable[[np.random.Generator], Differences]]
CASES: dict[str, Case] = {
    "cost, normal": (cost_of("normal"), lambda rng: paired(numbers(rng, LOOKS, "normal"))),
    "cost, t3": (cost_of("t3"), lambda rng: paired(numbers(rng, LOOKS))),
    "cost, log-normal": (
        cost_of("log-normal"),
        lambda rng: paired(numbers(rng, LOOKS, "log-normal")),
    ),
    "cost, two groups": (cost_of("t3"), lambda rng: divided(numbers(rng, LOOKS), rng, 0.5)),
    "cost, one in ten": (cost_of("t3"), lambda rng: divided(numbers(rng, LOOKS), rng, 0.1)),
    "error": ([of_numbers().losses[1]], lambda rng: paired(numbers(rng, LOOKS))),
    "prediction": (prediction(), lambda rng: paired(numbers(rng, LOOKS))),
    "prediction, two groups": (prediction(), lambda rng: divided(numbers(rng, LOOKS), rng, 0.5)),
    "classes": (list(of_levels().classes), lambda rng: paired(levels(rng, LOOKS))),
    "classes, two groups": (
        list(of_levels().classes),
        lambda rng: divided(levels(rng, LOOKS), rng, 0.5),
    ),
    "cost of classes": ([of_levels().losses[0]], lambda rng: paired(levels(rng, LOOKS))),
    "cost of classes, two groups": (
        [of_levels().losses[0]],
        lambda rng: divided(levels(rng, LOOKS), rng, 0.5),
    ),
    "log loss of classes": ([of_levels().losses[1]], lambda rng: paired(levels(rng, LOOKS))),
}
QUICK = ("cost, t3", "cost, two groups", "prediction", "classes", "cost of classes")


def misses_zero(sequence: ConfidenceSequence) -> bool:
    return bool(((sequence.lower > 0) | (sequence.upper < 0)).any())


def false_stops(case: str, repeats: int, looks: np.ndarray) -> float:
    contrasts, draw = CASES[case]
    rng = np.random.default_rng(1)
    drawn = (draw(rng) for _ in range(repeats))
    return float(
        np.mean([any(misses_zero(one.sequence(c, looks)) for c in contrasts) for one in drawn])
    )


@pytest.mark.parametrize("case", QUICK)
def test_equal_versions_are_told_apart_in_at_most_a_twentieth_of_trials(case: str) -> None:
    looks = np.unique(np.geomspace(10, LOOKS, 100).astype(int))
    assert false_stops(case, 60, looks) <= 0.05


@pytest.mark.long
@pytest.mark.parametrize("case", rest_by_night(CASES, ["prediction", "cost, t3"]))
def test_they_are_also_if_looked_at_after_each_customer(case: str) -> None:
    assert false_stops(case, 200, np.arange(1, LOOKS + 1)) <= 0.05


@pytest.mark.parametrize("case", QUICK)
def test_the_usual_interval_fails_that_test_with_a_look_a_day(case: str) -> None:
    contrasts, draw = CASES[case]
    rng, n = np.random.default_rng(1), np.arange(100, LOOKS + 1, 100)
    stopped = []
    for _ in range(60):
        one = draw(rng)
        found = []
        for contrast in contrasts:
            d = one._values(contrast)[0]
            mean = np.cumsum(d)[n - 1] / n
            radius = 1.96 * np.sqrt((np.cumsum(d**2)[n - 1] / n - mean**2) / n)
            found.append(bool((np.abs(mean) > radius).any()))
        stopped.append(any(found))
    assert np.mean(stopped) > 0.2


# Of a real trial's rows.


def in_the_shadow(
    drawn: Drawn,
    decision: Decision,
    known: bool = True,
    classes: tuple[str, ...] = (),
    limits: Scale | None = None,
) -> Comparison:
    log = pd.concat(drawn.logged("champion", "shadow"))
    y = drawn.labels if known else None
    return compare(log, y, Tried(1.0, True, "4"), decision, MARGINS, classes, limits)


def in_two_groups(
    drawn: Drawn, decision: Decision, classes: tuple[str, ...] = (), limits: Scale | None = None
) -> Comparison:
    champion, challenger = drawn.logged("champion", "challenger")
    its = hash_share(champion["customer_id"], "4") < 0.5
    log = pd.concat([champion[~its], challenger[its]]).sample(frac=1, random_state=0)
    return compare(log, drawn.labels, Tried(0.5, False, "4"), decision, MARGINS, classes, limits)


def test_worse_numbers_are_told_in_the_shadow_and_in_two_groups() -> None:
    drawn = numbers(np.random.default_rng(2), 4000, worse=-1.5)
    for found in (
        in_the_shadow(drawn, NUMBERS, limits=scale()),
        in_two_groups(drawn, NUMBERS, limits=scale()),
    ):
        assert {name: one.word for name, one in found.losses.items()} == {
            "cost": "worse",
            "absolute error": "worse",
        }
        assert found.predicted is not None
        assert found.predicted.upper < 0
        assert found.log_loss is None and not found.classes


def test_the_direction_of_an_error_is_paid_as_params_yaml_says() -> None:
    up = numbers(np.random.default_rng(2), 4000, worse=1.5)
    down = numbers(np.random.default_rng(2), 4000, worse=-1.5)
    too_high, too_low = (in_the_shadow(one, NUMBERS, limits=scale()).cost for one in (up, down))
    assert too_high is not None and too_low is not None
    assert too_low.word == "worse"
    assert too_low.difference > too_high.difference + 1


def test_the_differences_of_numbers_are_those_of_the_clipped_means() -> None:
    drawn, limits = numbers(np.random.default_rng(3), 2000), Scale(2.0, 8.0, 12.0)
    found = in_the_shadow(drawn, NUMBERS, limits=limits)

    def means(side: pd.DataFrame) -> tuple[float, float, float, float, float]:
        p = side["prediction"].to_numpy()
        error = drawn.y - p
        low, high = np.clip(error, 0, 2), np.clip(-error, 0, 2)
        return (
            float(np.clip(p, 8, 12).mean()),
            float((3 * low + high).mean()),
            float((low + high).mean()),
            float((np.abs(error) > 2).mean()),
            float(((p < 8) | (p > 12)).mean()),
        )

    one, other = means(drawn.champion), means(drawn.challenger)
    assert found.predicted is not None and found.cost is not None
    assert found.absolute_error is not None
    differences = (found.predicted, found.cost, found.absolute_error)
    assert [each.difference for each in differences] == pytest.approx(
        [b - a for a, b in zip(one[:3], other[:3], strict=True)]
    )
    assert found.cost.clipped == found.absolute_error.clipped == pytest.approx((one[3], other[3]))
    assert found.predicted.clipped == pytest.approx((one[4], other[4]))
    assert one[3] > 0.05 and one[4] > 0.05
    assert found.champion.predicted == pytest.approx(drawn.champion["prediction"].mean())


def test_a_prediction_that_is_no_number_is_as_wrong_as_can_be() -> None:
    drawn = numbers(np.random.default_rng(3), 300)
    broken = replace(drawn, challenger=drawn.challenger.assign(prediction=np.nan))
    found = in_the_shadow(broken, NUMBERS, limits=scale())
    assert found.cost is not None and found.absolute_error is not None
    assert found.absolute_error.word == found.cost.word == "worse"
    assert found.absolute_error.clipped is not None
    assert found.absolute_error.clipped[1] == 1.0


def test_a_probability_that_is_none_is_as_wrong_as_can_be() -> None:
    drawn = levels(np.random.default_rng(3), 300)
    columns = [f"probability_{name}" for name in CLASSES]
    broken = replace(drawn, challenger=drawn.challenger.assign(**dict.fromkeys(columns, np.nan)))
    found = in_the_shadow(broken, LEVELS, classes=CLASSES)
    assert found.log_loss is not None
    assert found.log_loss.word == "worse"


def test_errors_that_cost_nothing_are_not_worse() -> None:
    free = NUMBERS.model_copy(update={"cost_too_low": 0.0, "cost_too_high": 0.0})
    found = in_the_shadow(numbers(np.random.default_rng(3), 300), free, limits=scale())
    assert found.cost is not None
    assert (found.cost.word, found.cost.upper) == ("not worse", 0.0)


def test_a_margin_allows_worse_numbers_up_to_it() -> None:
    drawn = numbers(np.random.default_rng(2), 6000, "normal", worse=0.4)
    assert in_the_shadow(drawn, NUMBERS, limits=scale()).losses["absolute error"].word == "worse"
    log = pd.concat(drawn.logged("champion", "shadow"))
    wide = compare(log, drawn.labels, Tried(1.0, True, "4"), NUMBERS, {"mae": 0.5}, (), scale())
    assert wide.losses["absolute error"].word == "not worse"


def test_worse_classes_are_told_in_the_shadow_and_in_two_groups() -> None:
    drawn = levels(np.random.default_rng(2), 6000, worse=0.6)
    for found in (
        in_the_shadow(drawn, LEVELS, classes=CLASSES),
        in_two_groups(drawn, LEVELS, CLASSES),
    ):
        assert [one.word for one in found.losses.values()] == ["worse", "worse"]
        assert list(found.losses) == ["cost", "log loss"]
        assert list(found.classes) == list(CLASSES)
        assert found.predicted is None


def test_the_differences_of_classes_are_those_of_their_shares_and_costs() -> None:
    drawn = levels(np.random.default_rng(3), 3000, worse=0.5)
    found = in_the_shadow(drawn, LEVELS, classes=CLASSES)
    own = np.array(CLASSES)[drawn.y]
    prices = np.where(own == "high", 3.0, 1.0)

    def cost(side: pd.DataFrame) -> float:
        return float((prices * (side["prediction"].to_numpy() != own)).mean())

    assert found.cost is not None and found.log_loss is not None
    assert found.cost.difference == pytest.approx(cost(drawn.challenger) - cost(drawn.champion))
    assert sum(one.difference for one in found.classes.values()) == pytest.approx(0)
    for name, one in found.classes.items():
        assert found.challenger.classes[name] - found.champion.classes[name] == pytest.approx(
            one.difference
        )
    p = np.column_stack([drawn.challenger[f"probability_{name}"] for name in CLASSES])
    q = np.column_stack([drawn.champion[f"probability_{name}"] for name in CLASSES])
    y = drawn.y
    logs = [np.log(np.clip(each[np.arange(len(y)), y], 0.01, 1)).mean() for each in (q, p)]
    assert found.log_loss.difference == pytest.approx(logs[0] - logs[1])


def test_each_class_has_a_part_of_the_errors() -> None:
    drawn = levels(np.random.default_rng(4), 2000)
    alone = [replace(one, alpha=0.05) for one in of_levels().classes]
    whole = paired(drawn)
    for narrow, one in zip(alone, of_levels().classes, strict=True):
        wide, usual = whole.of(one), whole.of(narrow)
        assert wide is not None and usual is not None
        assert wide.upper - wide.lower > usual.upper - usual.lower


# The limits of numbers come from the champion.


def described(model: Any, rows: pd.DataFrame, decision: RegressionDecision) -> Reference:
    task = tasks.of(decision)
    scored = Scored(model.scores(rows), model.card.rule)
    y = rows["spend"].to_numpy()
    return reference.describe(rows, rows, task, y, scored, model.card, SLICES)


def test_the_limits_are_those_of_the_champion(fit_numbers: Fit, spenders: pd.DataFrame) -> None:
    model = fit_numbers("ridge")
    found = tasks.of(NUMBERS).scale(described(model, spenders, NUMBERS))
    predicted, half_width = model.scores(spenders), model.card.half_width
    assert found == Scale(
        4 * half_width, predicted.min() - half_width, predicted.max() + half_width
    )
    assert tasks.of(LEVELS, CLASSES).scale(described(model, spenders, NUMBERS)) is None


def test_a_champion_that_never_errs_has_the_limits_of_its_predictions(
    fit_numbers: Fit, spenders: pd.DataFrame
) -> None:
    exact = described(fit_numbers("ridge"), spenders, NUMBERS).model_copy(
        update={"half_width": 0.0}
    )
    found = tasks.of(NUMBERS).scale(exact)
    assert found is not None
    assert found.error == found.highest - found.lowest > 0
    counts = exact.predicted
    assert counts is not None
    one_number = counts.model_copy(update={"edges": [4.9, 5.0]})
    with pytest.raises(ArtifactError, match="predicts the same number for all"):
        tasks.of(NUMBERS).scale(exact.model_copy(update={"predicted": one_number}))


def test_a_champion_of_another_task_has_none(fit_numbers: Fit, spenders: pd.DataFrame) -> None:
    numbers_known = described(fit_numbers("ridge"), spenders, NUMBERS)
    other = numbers_known.model_copy(update={"half_width": None, "threshold": 0.4})
    with pytest.raises(ArtifactError, match="two models of one task"):
        tasks.of(NUMBERS).scale(other)


# What is said of it, and what blocks.


def printed(found: Comparison, decision: Decision, *of: Any) -> list[str]:
    task = tasks.of(decision, *of)
    limits = scale() if task.needs_scale else None
    return lines(found, 3, 4, task.contrasts(MARGINS, limits), task.rows(limits))


def test_what_is_printed_of_numbers() -> None:
    drawn = numbers(np.random.default_rng(5), 1000)
    text = printed(in_the_shadow(drawn, NUMBERS, limits=scale()), NUMBERS)
    assert [line[:28].rstrip() for line in text[:4]] == [
        "",
        "customers",
        "mean prediction",
        "95 of 100 predicted within",
    ]
    mean = drawn.champion["prediction"].mean()
    assert f"{mean:14.4f}" in text[2]
    assert text[4].startswith("mean prediction: difference ")
    assert text[5].startswith("cost of a customer: difference ")
    assert text[5].endswith(" (margin 0.05)")
    assert text[6].startswith("absolute error: difference ")
    assert text[7].startswith("predictions count from 3.0000 to 17.0000: 0.0 % of version 3's are")
    assert text[8].startswith("errors count up to 9.4000: ")
    assert len(text) == 9
    without = printed(in_the_shadow(drawn, NUMBERS, known=False, limits=scale()), NUMBERS)
    assert without[-1] == "with --labels: cost and absolute error"
    for line in text + without:
        assert "churn" not in line and "probab" not in line


def test_what_is_printed_of_classes() -> None:
    drawn = levels(np.random.default_rng(5), 1000)
    text = printed(in_the_shadow(drawn, LEVELS, classes=CLASSES), LEVELS, CLASSES)
    assert [line[:28].rstrip() for line in text[1:6]] == [
        "customers",
        *(f"predicted {name}" for name in CLASSES),
        "95 of 100 predicted within",
    ]
    assert [line.partition(":")[0] for line in text[6:]] == [
        *(f"predicted {name}" for name in CLASSES),
        "cost of a customer",
        "log loss",
    ]
    without = printed(in_the_shadow(drawn, LEVELS, False, CLASSES), LEVELS, CLASSES)
    assert without[-1] == "with --labels: cost and log loss"
    for line in text + without:
        assert "churn" not in line


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (
            "absolute error",
            lambda: in_the_shadow(
                numbers(np.random.default_rng(2), 3000, worse=1.5), NUMBERS, limits=scale()
            ),
        ),
        (
            "cost",
            lambda: in_the_shadow(
                numbers(np.random.default_rng(2), 3000, worse=-1.5), NUMBERS, limits=scale()
            ),
        ),
        (
            "cost",
            lambda: in_the_shadow(
                levels(np.random.default_rng(2), 4000, 0.6), LEVELS, classes=CLASSES
            ),
        ),
    ],
)
def test_a_worse_version_is_blocked_at_any_time(name: str, found: Callable[[], Comparison]) -> None:
    settings = params.load(PARAMS, {"release.canary": {"share": 0.1}}).release
    now = datetime.now(UTC)
    standing = trial_gate.decide(found(), settings, now + timedelta(hours=9), now)
    assert standing.outcome == "block"
    assert standing.reason.startswith(f"its {name} is worse by ")


def test_only_the_log_loss_of_classes_blocks_too() -> None:
    # Sure of itself where it is wrong: the same classes, at the same cost.
    drawn = levels(np.random.default_rng(6), 4000)
    sharp = drawn.champion.copy()
    columns = [f"probability_{name}" for name in CLASSES]
    sharper = sharp[columns].to_numpy() ** 6
    sharp[columns] = sharper / sharper.sum(axis=1, keepdims=True)
    found = in_the_shadow(replace(drawn, challenger=sharp), LEVELS, classes=CLASSES)
    assert found.cost is not None and found.cost.difference == 0
    settings = params.load(PARAMS, {"release.canary": {"share": 0.1}}).release
    now = datetime.now(UTC)
    standing = trial_gate.decide(found, settings, now + timedelta(hours=9), now)
    assert standing.reason.startswith("its log loss is worse by ")


def test_a_first_customer_at_the_limit_is_within_it() -> None:
    # Divided by the share, 0.3 exceeds its own limit in the last digit.
    assert 0.3 * (1 / 0.1) > 0.3 / 0.1
    rows = pd.DataFrame({"value": [0.3, 0.1], "role": ["challenger", "champion"]})
    contrast = Contrast("x", "x", 0.3, lambda answers: answers["value"].to_numpy())
    found = Groups(rows, 0.1).of(contrast)
    assert found is not None
    assert found.lower < found.difference < found.upper
