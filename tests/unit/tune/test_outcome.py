"""The verdict: equal candidates are hardly ever called better, however many were tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from churn.core import params
from churn.core.params import Params
from churn.evaluation.comparison import compare
from churn.evaluation.differences import by_metric
from churn.evaluation.tasks import Scored
from churn.provenance.search_result import digest_of
from churn.tune import outcome, search
from churn.tune.candidate import measured
from churn.tune.outcome import Outcome
from churn.tune.records import Trial
from tests.binary import BINARY
from tests.conftest import PARAMS

pytestmark = pytest.mark.long

N = 800
ABILITY = 0.35  # of the noise that each model's scores have of their own
Model = tuple[Trial, pd.DataFrame]


@pytest.fixture(scope="module")
def settings() -> Params:
    overrides = {
        "comparison.resamples": 1000,
        "decision.strategy": "fixed",
        "decision.threshold": 0.3,
        "tune.space": {f"x{i}": {"low": 0.0, "high": 1.0} for i in range(3)},
    }
    return params.load(PARAMS, overrides)


class World:
    """Customers, and models whose scores differ by noise that says nothing of the label."""

    def __init__(self, seed: int, settings: Params) -> None:
        self.rng = np.random.default_rng(seed)
        self.settings = settings
        self.score = self.rng.normal(size=N)
        self.y = (self.rng.random(N) < expit(self.score - 1)).astype(int)
        self.chooses = self.rng.random(N) < 0.5
        self.current = self.model(-1, self.rng.normal(size=N))

    def model(self, number: int, noise: np.ndarray, at: dict[str, float] | None = None) -> Model:
        """Return a model that was evaluated as a candidate is."""
        probability = expit(self.score - 1 + ABILITY * noise)
        by = self.chooses
        found = measured(BINARY, self.y[by], Scored(probability[by], 0.3))
        value = found[self.settings.tune.metric]
        trial = Trial(
            number=number,
            state="complete",
            suggested=at or {},
            hyperparameters=at or {"n": number},
            values=[value],
            rule=0.3,
        )
        return trial, pd.DataFrame({"probability": probability, "fold": 0})

    def judged(self, models: list[Model]) -> tuple[Outcome, str]:
        """Return the outcome, and the word of the rows that have chosen the winner."""
        trials = [trial for trial, _ in models]
        winner = models[outcome.winner_of(trials, self.settings.tune.metric).number]
        found = outcome.judge(self.y, self.chooses, self.current, winner, trials, self.settings)
        both = [
            Scored(predictions["probability"].to_numpy()[self.chooses], 0.3)
            for _, predictions in (self.current, winner)
        ]
        naive = compare(BINARY, self.y[self.chooses], *both, 1, 1000)
        return found, str(by_metric(naive)[self.settings.tune.metric].word)


def independent(world: World, n: int) -> list[Model]:
    return [world.model(i, world.rng.normal(size=N)) for i in range(n)]


def searched(world: World, n: int) -> list[Model]:
    """Let Optuna choose where noise that is smooth in the hyperparameters is lowest."""
    waves = world.rng.normal(size=(60, 3)) * 4
    phases = world.rng.random(60) * 2 * np.pi
    weights = world.rng.normal(size=(N, 60)) * np.sqrt(2 / 60)
    models: list[Model] = []
    for number in range(n):
        trials = [trial for trial, _ in models]
        asked = search._ask(world.settings.tune, trials, world.current[0]).params
        point = np.array([asked[f"x{i}"] for i in range(3)])
        models.append(world.model(number, weights @ np.cos(waves @ point + phases), dict(asked)))
    return models


def called_better(
    settings: Params, make: Callable[[World, int], list[Model]], n: int, worlds: int
) -> tuple[float, float, float, float]:
    """Return how often the best of n is called better, and its mean advantage.

    First by the rows that chose it, then by the others.
    """
    naive = honest = 0
    gains: list[tuple[float, float]] = []
    for seed in range(worlds):
        world = World(seed, settings)
        found, word = world.judged(make(world, n))
        naive += word == "better"
        honest += found.word == "better"
        gains.append((-found.optimistic, -(found.difference.difference or 0.0)))
    first, second = np.mean(gains, axis=0)
    return naive / worlds, honest / worlds, float(first), float(second)


@pytest.mark.slow
def test_the_best_of_many_equal_candidates_is_not_called_better(settings: Params) -> None:
    naive, honest, optimistic, unbiased = called_better(settings, independent, 30, 120)
    assert naive > 0.2  # one model that nobody chose: 0.025
    assert honest <= 0.05
    assert optimistic > 0.008
    assert abs(unbiased) < 0.002


@pytest.mark.slow
def test_one_candidate_that_nobody_chose_is_right_on_all_rows(settings: Params) -> None:
    naive, honest, *_ = called_better(settings, independent, 1, 120)
    assert naive <= 0.05
    assert honest <= 0.05


@pytest.mark.exhaustive
def test_nor_is_one_that_a_search_has_found_in_noise(settings: Params) -> None:
    naive, honest, optimistic, unbiased = called_better(settings, searched, 30, 60)
    assert naive > 0.2  # one model that nobody chose: 0.025
    assert honest <= 0.05
    assert optimistic > 0.008
    assert abs(unbiased) < 0.003


def test_a_better_candidate_is_called_better(settings: Params) -> None:
    world = World(1, settings)
    good = world.model(0, np.zeros(N))
    world.current = world.model(-1, 4 * world.rng.normal(size=N))
    found, _ = world.judged([good, world.model(1, 8 * world.rng.normal(size=N))])
    assert found.word == "better"
    assert found.improves
    assert found.winner == {**settings.model.hyperparameters, "n": 0}
    assert found.difference.metric == "log_loss"
    assert found.chosen_by + found.compared_on == N


def test_without_a_candidate_that_does_better_there_is_nothing_to_propose(settings: Params) -> None:
    world = World(1, settings)
    found, _ = world.judged([world.model(0, 4 * world.rng.normal(size=N))])
    assert found.word == "worse"
    assert not found.improves
    lucky = replace(found.difference, word="better")  # on the other rows
    others = [d for d in found.differences if d.metric != found.metric]
    assert replace(found, differences=(lucky, *others)).word == "inconclusive"


def test_the_current_parameters_themselves_are_identical(settings: Params) -> None:
    world = World(1, settings)
    trial, predictions = world.current
    same = trial.model_copy(update={"number": 0, "hyperparameters": {"n": 0}}), predictions
    found, _ = world.judged([same])
    assert found.word == "identical"
    assert not found.improves


def test_candidates_that_are_tried_twice_count_once(settings: Params) -> None:
    world = World(1, settings)
    models = independent(world, 3)
    again = models[0][0].model_copy(update={"number": 3})
    ended = models[1][0].model_copy(
        update={"number": 4, "hyperparameters": {"n": 9}, "state": "pruned"}
    )
    found, _ = world.judged([*models, (again, models[0][1]), (ended, models[1][1])])
    assert (found.tried, found.complete, found.pruned, found.failed) == (4, 3, 1, 0)


def test_of_a_score_more_is_better(settings: Params) -> None:
    values = [0.7, 0.9, 0.8]
    trials = [
        Trial(number=i, state="complete", suggested={}, hyperparameters={}, values=[value])
        for i, value in enumerate(values)
    ]
    assert outcome.winner_of(trials, "roc_auc").number == 1
    assert outcome.winner_of(trials, "log_loss").number == 0


def test_a_digest_depends_on_family_and_values_and_not_on_their_order() -> None:
    digest = digest_of("a", {"x": 1, "y": None})
    assert digest == digest_of("a", {"y": None, "x": 1})
    assert digest != digest_of("b", {"x": 1, "y": None})
    assert digest != digest_of("a", {"x": 2, "y": None})
