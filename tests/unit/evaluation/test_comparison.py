"""The paired bootstrap, compared with scikit-learn, with very many draws and with the truth."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from churn.core.params import DecisionParams
from churn.evaluation import bootstrap, comparison
from churn.evaluation.bootstrap import draws
from churn.evaluation.comparison import compare
from churn.evaluation.differences import Difference
from churn.evaluation.metric_names import SMALLER_IS_BETTER
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.binary import Binary
from churn.evaluation.weighted import Ratios, WeightedMetrics
from churn.model.threshold import decide
from tests.binary import measure

DECISION = DecisionParams(
    strategy="cost",
    threshold=0.5,
    cost_false_negative=5.0,
    cost_false_positive=1.0,
    folds=5,
    max_rows=1000,
)
TASK = Binary(DECISION)


def customers(n: int, seed: int, noise: float = 1.0, step: float = 0) -> tuple[np.ndarray, ...]:
    """Return labels and what two models say of them; with a step many say the same."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(-0.5, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-risk))).astype(np.int64)
    told = [1 / (1 + np.exp(-risk - rng.normal(0, s, n))) for s in (noise, 0.3)]
    if step:
        told = [np.clip(np.round(p / step) * step, 0, 1) for p in told]
    return y, *told


def scored(*probabilities: np.ndarray) -> list[Scored]:
    return [Scored(p, threshold) for p, threshold in zip(probabilities, (0.3, 0.25), strict=True)]


def by_name(found: list[Difference]) -> dict[str, Difference]:
    return {one.metric: one for one in found}


def run(y: np.ndarray, *probabilities: np.ndarray, resamples: int = 1000) -> dict[str, Difference]:
    return by_name(compare(TASK, y, *scored(*probabilities), 1, resamples))


@pytest.mark.parametrize("step", [0, 0.05, 0.5, 1])
@pytest.mark.parametrize("n", [7, 50, 2000])
def test_the_values_are_those_that_are_measured_elsewhere(n: int, step: float) -> None:
    y, *told = customers(n, seed=n, step=step)
    found = run(y, *told, resamples=10)
    assert list(found) == list(TASK.metrics)
    for side, one in zip(("baseline", "candidate"), scored(*told), strict=True):
        measured = measure(y, one.scores, one.rule, DECISION).values
        for name, value in measured.items():
            assert getattr(found[name], side) == pytest.approx(value, abs=1e-6), (side, name)
    for one in found.values():
        if one.baseline is None or one.candidate is None:
            assert one.difference is None
        else:
            assert one.difference == pytest.approx(one.candidate - one.baseline, abs=1e-12)


def naive(y: np.ndarray, one: Scored, name: str) -> float:
    """Compute a metric as scikit-learn has it; NaN where it is undefined."""
    p, predicted = one.scores, decide(one.scores, one.rule)
    if name in ("roc_auc", "average_precision", "recall") and len(np.unique(y)) < 2:
        return np.nan
    if name == "precision" and not predicted.any():
        return np.nan
    false_negatives, false_positives = (y > predicted).sum(), (y < predicted).sum()
    return float(
        {
            "roc_auc": lambda: sk.roc_auc_score(y, p),
            "average_precision": lambda: sk.average_precision_score(y, p),
            "log_loss": lambda: sk.log_loss(y, p, labels=[0, 1]),
            "brier": lambda: sk.brier_score_loss(y, p),
            "accuracy": lambda: sk.accuracy_score(y, predicted),
            "precision": lambda: sk.precision_score(y, predicted),
            "recall": lambda: sk.recall_score(y, predicted),
            "f1": lambda: sk.f1_score(y, predicted),
            "cost": lambda: (5 * false_negatives + false_positives) / len(y),
        }[name]()
    )


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 0.2])
def test_a_draw_is_measured_as_its_customers_are_one_by_one(step: float) -> None:
    y, *told = customers(60, seed=3, step=step)
    one = scored(*told)[0]
    model = WeightedMetrics(y, one.scores, one.rule, DECISION)
    for counts in draws(len(y), 200, seed=1):
        found = model.metrics(counts)
        for i, times in enumerate(counts.T.astype(int)):
            rows = np.repeat(np.arange(len(y)), times)
            for name, values in found.items():
                wanted = naive(y[rows], one.of(rows), name)
                assert values[i] == pytest.approx(wanted, abs=1e-12, nan_ok=True), name


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 400, 3000])
def test_the_ends_are_the_quantiles_of_very_many_draws(n: int) -> None:
    y, *told = customers(n, seed=3, noise=0.6)
    models = [WeightedMetrics(y, s.scores, s.rule, DECISION) for s in scored(*told)]
    many: dict[str, list[np.ndarray]] = {name: [] for name in TASK.metrics}
    for counts in draws(n, 20_000, seed=1):
        first, second = (model.metrics(counts) for model in models)
        for name, drawn in many.items():
            drawn.append(second[name] - first[name])
    found = run(y, *told, resamples=2000)
    for name, drawn in many.items():
        is_ranking = name in ("roc_auc", "average_precision")
        tail = 0.025 if is_ranking else comparison.tail_share(int(min(y.sum(), n - y.sum())))
        wanted = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
        ends = np.array([found[name].lower, found[name].upper], dtype=float)
        allowed = (0.2 if n == 60 else 0.1) * (wanted[1] - wanted[0]) / 2
        np.testing.assert_allclose(ends, wanted, rtol=0, atol=allowed, err_msg=name)


@pytest.mark.parametrize("step", [0, 0.05, 0.5])
def test_the_influence_is_the_derivative_by_a_customers_weight(step: float) -> None:
    y, *told = customers(80, seed=3, step=step)
    model = WeightedMetrics(y, told[0], 0.3, DECISION)
    ones, more = np.ones((80, 80)), 1e-6
    for name, found in model.influence().items():
        changed = model.metrics(ones + more * np.eye(80))[name] - model.metrics(ones)[name]
        np.testing.assert_allclose(found, changed / more, atol=1e-6, err_msg=name)
        assert abs(found.sum()) < 1e-12


@pytest.mark.slow
def test_another_seed_hardly_moves_the_ends() -> None:
    y, *told = customers(4000, seed=3, noise=0.5)
    seeds = [by_name(compare(TASK, y, *scored(*told), seed, 1000)) for seed in range(8)]
    for name in TASK.metrics:
        lower, upper = (
            np.array([getattr(one[name], end) for one in seeds]) for end in ("lower", "upper")
        )
        half_width = (upper - lower).mean() / 2
        # Quantiles of 1,000 draws would move by 4 %.
        assert lower.std() < 0.01 * half_width, name
        assert upper.std() < 0.01 * half_width, name


@pytest.mark.parametrize(
    ("n_rarer", "tail"),
    # 5: Student's quantile with 4 degrees of freedom is -2.776, times sqrt(5/4) it is -3.104.
    [(2, 0.0), (5, 0.00095), (50, 0.0212), (100_000, 0.0250)],
)
def test_the_rarer_kind_widens_an_interval(n_rarer: int, tail: float) -> None:
    assert comparison.tail_share(n_rarer) == pytest.approx(tail, abs=5e-5)


def test_each_draw_has_as_many_customers_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    n, resamples = 40, 101
    whole = np.hstack(list(draws(n, resamples, seed=1)))
    assert whole.shape == (n, resamples)
    assert (whole.sum(axis=0) == n).all()
    assert len(np.unique(whole, axis=1).T) == resamples
    # Poisson-like counts with mean and variance of about 1 each: drawn with replacement.
    assert whole.var() == pytest.approx(1 - 1 / n, abs=0.1)
    monkeypatch.setattr(bootstrap, "CELLS", 7 * n)
    parts = list(draws(n, resamples, seed=1))
    assert [part.shape[1] for part in parts] == [7] * 14 + [3]


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_true_difference() -> None:
    # Accuracy of two models that err independently, 20 % and 15 % of the time: the truth is known.
    hits = np.zeros(2)
    trials = 300
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 400)
        told = [np.where(rng.random(400) < error, 1 - y, y) * 0.8 + 0.1 for error in (0.2, 0.15)]
        found = run(y, *told, resamples=400)
        for i, (name, truth) in enumerate({"accuracy": 0.05, "brier": -0.05 * 0.8}.items()):
            lower, upper = found[name].lower, found[name].upper
            assert lower is not None
            assert upper is not None
            hits[i] += lower <= truth <= upper
    # A binomial with 95 % has a standard deviation of 1.3 % here.
    assert (hits / trials >= 0.91).all()
    assert (hits / trials <= 0.985).all()


@pytest.mark.slow
def test_a_true_null_is_called_a_difference_one_time_in_twenty() -> None:
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        risk = rng.normal(size=300)
        y = (rng.random(300) < 1 / (1 + np.exp(-risk))).astype(np.int64)
        # Two models that are equally noisy.
        told = [1 / (1 + np.exp(-risk - rng.normal(0, 0.7, 300))) for _ in range(2)]
        called += run(y, *told, resamples=400)["roc_auc"].word != "inconclusive"
    assert 1 <= called <= 22


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "brier", "log_loss"])
def test_a_paired_interval_is_narrower_than_one_of_two_samples(name: str) -> None:
    y, *told = customers(500, seed=5, noise=0.4)
    paired = run(y, *told)[name]
    assert paired.lower is not None
    assert paired.upper is not None
    singles = []
    for side, one in enumerate(scored(*told)):
        model = WeightedMetrics(y, one.scores, one.rule, DECISION)
        drawn = draws(len(y), 1000, seed=side)
        singles.append(np.concatenate([model.metrics(counts)[name] for counts in drawn]))
    low, high = np.quantile(singles[1] - singles[0], [0.025, 0.975])
    assert paired.upper - paired.lower < 0.8 * (high - low)


def test_a_model_is_identical_to_itself() -> None:
    y, told, _ = customers(300, seed=2)
    same = Scored(told, 0.3)
    for one in compare(TASK, y, same, replace(same), 1, 200):
        assert (one.difference, one.lower, one.upper, one.word) == (0, 0, 0, "identical")


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", TASK.metrics)
def test_better_means_less_of_a_loss_and_more_of_a_score(name: str, swap: bool) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 2000)
    bad = np.clip(0.5 + (y - 0.5) * 0.2 + rng.normal(0, 0.2, 2000), 0.01, 0.99)
    good = np.clip(0.5 + (y - 0.5) * 0.7 + rng.normal(0, 0.2, 2000), 0.01, 0.99)
    both = [Scored(p, 0.5) for p in ((good, bad) if swap else (bad, good))]
    found = by_name(compare(TASK, y, *both, 1, 300))[name]
    assert found.word == ("worse" if swap else "better")
    assert found.difference is not None
    assert (found.difference > 0) == ((name in SMALLER_IS_BETTER) == swap)


@pytest.mark.parametrize(
    ("lower", "upper", "word"),
    [
        (0.0, 0.0, "identical"),
        (0.0, 0.1, "inconclusive"),
        (-0.1, 0.0, "inconclusive"),
        (-0.1, 0.1, "inconclusive"),
        (1e-12, 0.1, "better"),
        (-0.1, -1e-12, "worse"),
    ],
)
def test_zero_has_to_lie_outside_of_the_interval(lower: float, upper: float, word: str) -> None:
    assert comparison.word_for("roc_auc", lower, upper) == word
    mirrored = {"better": "worse", "worse": "better"}.get(word, word)
    assert comparison.word_for("cost", lower, upper) == mirrored


@pytest.mark.parametrize("label", [0, 1])
def test_where_all_have_one_label_ranking_is_undefined_and_never_zero(label: int) -> None:
    _, *told = customers(80, seed=4)
    found = run(np.full(80, label), *told, resamples=50)
    undefined = {"roc_auc"} if label else {"roc_auc", "average_precision", "recall"}
    for name in undefined:
        one = found[name]
        values = (one.baseline, one.candidate, one.difference, one.lower, one.upper, one.word)
        assert values == (None,) * 6, name
    for name in ("log_loss", "brier", "accuracy", "cost"):
        assert found[name].word is not None


def test_precision_without_an_alarm_is_undefined_on_that_side_only() -> None:
    y, told, other = customers(200, seed=6)
    found = by_name(compare(TASK, y, Scored(told, 0.3), Scored(other, 1.0), 1, 50))
    one = found["precision"]
    assert one.baseline is not None
    assert (one.candidate, one.difference, one.lower, one.word) == (None,) * 4
    assert found["recall"].candidate == 0


@pytest.mark.parametrize("churned", [1, 2])
def test_an_interval_of_the_lucky_draws_is_none(churned: int) -> None:
    # With one or two churned customers 37 % and 14 % of the draws have none.
    y, *told = customers(60, seed=8)
    y[:] = 0
    y[:churned] = 1
    one = run(y, *told)["roc_auc"]
    assert one.difference is not None
    assert (one.lower, one.upper, one.word) == (None, None, None)


def test_an_interval_of_nearly_all_draws_is_one() -> None:
    y, *told = customers(60, seed=8)
    y[:] = 0
    y[:5] = 1  # 0.6 % of the draws have none of them
    assert run(y, *told)["roc_auc"].word is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01])
@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_one_probability_that_is_none_makes_every_metric_undefined(side: str, value: float) -> None:
    y, *told = customers(300, seed=9)
    told[side == "candidate"][17] = value
    other = {"baseline": "candidate", "candidate": "baseline"}[side]
    for one in run(y, *told, resamples=50).values():
        assert getattr(one, side) is None
        assert getattr(one, other) is not None
        assert (one.difference, one.lower, one.upper, one.word) == (None,) * 4


def test_the_seed_decides_and_nothing_else() -> None:
    y, *told = customers(200, seed=10)
    first = compare(TASK, y, *scored(*told), 1, 100)
    assert compare(TASK, y, *scored(*told), 1, 100) == first
    other = compare(TASK, y, *scored(*told), 2, 100)
    assert [one.difference for one in other] == [one.difference for one in first]
    assert [one.lower for one in other] != [one.lower for one in first]


def test_the_costs_are_those_of_the_parameters() -> None:
    y, *told = customers(200, seed=11)
    dear = DECISION.model_copy(update={"cost_false_positive": 50.0})
    cheap, costly = (
        by_name(compare(Binary(decision), y, *scored(*told), 1, 20))["cost"]
        for decision in (DECISION, dear)
    )
    assert cheap.baseline is not None
    assert costly.baseline is not None
    false_positives = ((told[0] >= 0.3) & (y == 0)).mean()
    assert costly.baseline - cheap.baseline == pytest.approx(49 * false_positives)


@pytest.mark.slow
def test_memory_is_bounded_whatever_the_number_of_draws() -> None:
    n = 100_000
    y, *told = customers(n, seed=12)
    peaks = []
    for resamples in (3, 30):
        tracemalloc.start()
        run(y, *told, resamples=resamples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 60e6  # some 20 columns of 100,000 numbers each twice, not draws times rows


def test_probabilities_are_left_as_they_are() -> None:
    y, *told = customers(100, seed=13)
    before = [y.copy(), *(p.copy() for p in told)]
    run(y, *told, resamples=20)
    for one, other in zip(before, [y, *told], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_metric_of_a_column_that_is_not_summed_is_an_error() -> None:
    with pytest.raises(ValueError, match="specificity needs tn, and the columns are n, fp"):
        Ratios(
            {"n": np.ones(3), "fp": np.ones(3)}, {"specificity": ({"tn": 1}, {"tn": 1, "fp": 1})}
        )
