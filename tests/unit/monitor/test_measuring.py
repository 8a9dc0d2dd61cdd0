"""What is measured in a window, and what chance alone would show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from churn.core.params import EffectsParams
from churn.evaluation import noise
from churn.evaluation.noise import Noise
from churn.evaluation.reference import Reference, describe
from churn.evaluation.tasks import Scored
from churn.monitor.measuring import Measurer
from tests.binary import BINARY
from tests.conftest import PARAMS
from tests.unit.monitor.conftest import COLUMNS, NUMBERS, World, people

SAME = people(2000, 3)


def changed(**columns: object) -> pd.DataFrame:
    return SAME.assign(**columns)


@pytest.mark.slow
def test_customers_of_the_same_population_are_as_before(world: World) -> None:
    assert world.over(SAME) == set()


def test_a_moved_column_is_named_and_no_other(world: World) -> None:
    assert world.over(changed(age=SAME["age"] + 8)) == {"drift of age"}


def test_a_column_that_is_missing_more_often_is_named(world: World) -> None:
    few = changed(frequency=SAME["frequency"].where(np.arange(2000) % 10 > 0))
    assert world.over(few) == {"missing frequency"}


def test_a_category_that_was_never_seen_is_named(world: World) -> None:
    new = changed(plan=SAME["plan"].where(np.arange(2000) % 20 > 0, "platinum"))
    assert "unseen plan" in world.over(new)


def test_categories_in_other_shares_are_named(world: World) -> None:
    other = changed(plan=SAME["plan"].where(np.arange(2000) % 3 > 0, "gold"))
    assert world.over(other) == {"drift of plan"}


def test_values_beyond_the_training_rows_are_named(world: World) -> None:
    far = changed(total_orders=SAME["total_orders"].where(np.arange(2000) % 25 > 0, 1e9))
    assert "total_orders out of range" in world.over(far)


def test_other_probabilities_are_named(world: World) -> None:
    sure = changed(probability=SAME["probability"] * 0.6)
    assert world.over(sure.assign(prediction=(sure["probability"] >= 0.4).astype(np.int8))) == {
        "drift of the probability",
        "share predicted to churn",
    }


def test_a_column_that_is_not_logged_is_not_measured(world: World) -> None:
    counts = world.counts(SAME)
    del counts.missing["age"]
    names = {measure.name for measure in world.measurer.measure(counts)}
    assert "drift of frequency" in names
    assert not [name for name in names if name.endswith("age")]


def test_the_week_is_divided_among_days_and_quantities(world: World) -> None:
    # Five numbers with three quantities each, a category with three, two of the predictions, and
    # four margins, estimated and with labels.
    assert world.measurer.level == pytest.approx(0.05 / 7 / (15 + 3 + 2 + 8))


def test_fewer_customers_have_more_noise(world: World) -> None:
    few, many = (
        {m.name: m.noise for m in world.measurer.measure(world.counts(SAME.head(rows)))}
        for rows in (200, 2000)
    )
    assert all(few[name] > many[name] for name in few if name.startswith("drift"))


def test_a_constant_column_of_the_training_rows(world: World) -> None:
    train = people(500, 1).assign(age=40.0)
    reference = described(train)
    measurer = Measurer(reference, EffectsParams(), world.settings.gates.margins, BINARY, 0.05)
    found = World(reference, measurer, world.settings)
    assert "age out of range" not in found.over(SAME.assign(age=40.0))
    assert "age out of range" in found.over(SAME)


def described(train: pd.DataFrame) -> Reference:
    from churn.core import params

    settings = params.load(PARAMS)
    slices = settings.evaluation.slices.model_copy(update={"numeric": ()})
    y, p = train["churned"].to_numpy(), train["probability"].to_numpy()
    return describe(train, train, BINARY, y, Scored(p, 0.4), COLUMNS, slices)


def test_wasserstein_is_that_of_scipy_within_the_range() -> None:
    train, now = people(5000, 1), people(3000, 9, drift=6)
    reference = described(train)
    for name in NUMBERS:
        numbers = reference.numeric[name]
        edges = np.array(numbers.edges)
        known = now[name].dropna().to_numpy()
        bins = np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1)
        statistic = noise.wasserstein(edges, numbers.spread)
        [found] = statistic(np.array([numbers.counts]), bins[None, :])
        inside = np.clip(known, edges[1], edges[-1])
        exact = stats.wasserstein_distance(train[name].dropna(), inside) / numbers.spread
        assert found == pytest.approx(exact, rel=0.05, abs=0.003), name


def test_jensen_shannon_is_that_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    a, b = np.array([[10, 20, 0, 5]]), np.array([[1, 40, 7, 0]])
    [found] = noise.jensen_shannon(a, b)
    assert found == pytest.approx(jensenshannon(a[0], b[0], base=2))
    assert noise.jensen_shannon(a, 3 * a)[0] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("rows", [100, 2000])
def test_chance_exceeds_the_noise_as_rarely_as_it_says(rows: int) -> None:
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    found = Noise(noise.jensen_shannon, 4000 * shares, [1]).quantile(rows, 0.01)
    rng = np.random.default_rng(2)
    reference, window = (rng.multinomial(n, shares, 20_000) for n in (4000, rows))
    beyond = (noise.jensen_shannon(reference, window) > found).mean()
    assert 0.004 < beyond < 0.02


@pytest.mark.slow
def test_the_same_window_gives_the_same_result(world: World) -> None:
    fresh = Measurer(
        world.reference,
        EffectsParams(),
        world.settings.gates.margins,
        BINARY,
        0.05,
    )
    fresh.measure(world.counts(SAME.head(900)))  # whatever was measured before
    counts = world.counts(SAME)
    assert world.measurer.measure(counts) == fresh.measure(counts)
