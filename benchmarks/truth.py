"""`make truth`: how often the verdict is wrong, simulated with the project's own functions.

Customers and two models' scores are drawn anew in each replication, so that the truth is known:
both models are as good as each other, or one has a ROC AUC that is lower by so much. Each chooses
its threshold; then they are compared and judged as `churn compare` and `churn gate` do it: 10,000
customers of whom 2,000 are held out, by the margins of params.yaml. Then whole tables are made up,
without and with drift, and go through the shipped checks. Takes more than an hour; with
``--replications 100 --tables 5`` it is rougher and takes a fifth of that.

Not simulated: a second baseline, and that an out-of-fold prediction is one of another fit.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from churn.core import params
from churn.data import split, synthesize
from churn.evaluation.comparison import Difference, Scored, compare
from churn.evaluation.many_looks import corrected
from churn.model.threshold import choose
from churn.review import gate, limits
from churn.review.gate import Results
from churn.stages import train
from churn.validation import program as deepchecks_program

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = params.load(ROOT / "params.yaml")
N, N_HELD_OUT, BASE_RATE, AUC = 10_000, 2_000, 0.25, 0.84
OUTCOMES = ("not worse", "cannot tell", "worse")


@dataclass(frozen=True)
class World:
    """A truth: by how much the candidate's ROC AUC is lower, and how alike the scores are."""

    lower: float
    correlation: float

    def __str__(self) -> str:
        quality = f"ROC AUC lower by {self.lower:g}" if self.lower else "equal"
        return f"{quality}, scores correlate at {self.correlation:g}"


@dataclass(frozen=True)
class Drawn:
    """Customers, and what both models say of them."""

    y: np.ndarray
    baseline: np.ndarray
    candidate: np.ndarray

    def some(self, members: slice | np.ndarray) -> Drawn:
        """Return the same for some of the customers."""
        return Drawn(self.y[members], self.baseline[members], self.candidate[members])


def draw(world: World, n: int, rng: np.random.Generator, base_rate: float = BASE_RATE) -> Drawn:
    """Draw customers; the scores of either kind are normal, and the probabilities are right."""
    y = (rng.random(n) < base_rate).astype(int)
    shared = rng.normal(size=n) * np.sqrt(world.correlation)
    said = []
    for auc in (AUC, AUC - world.lower):
        gap = np.sqrt(2) * norm.ppf(auc)  # between the kinds' means, in standard deviations
        score = gap * y + shared + rng.normal(size=n) * np.sqrt(1 - world.correlation)
        odds = gap * score - gap**2 / 2 + np.log(base_rate / (1 - base_rate))
        said.append(1 / (1 + np.exp(-odds)))
    return Drawn(y, *said)


def differences(drawn: Drawn, cuts: tuple[float, float], seed: int) -> list[Difference]:
    """Compare both models as `churn compare` does."""
    both = map(Scored, (drawn.baseline, drawn.candidate), cuts)
    return compare(drawn.y, *both, SETTINGS.decision, seed, SETTINGS.comparison.resamples)


def chosen(drawn: Drawn) -> tuple[float, float]:
    """Choose each model's threshold as `churn train` does."""
    one, other = (choose(drawn.y, p, SETTINGS.decision) for p in (drawn.baseline, drawn.candidate))
    return one, other


def judge(world: World, number: int, seed: int | None = None, with_slices: bool = False) -> str:
    """Judge one pull request, and return what is said of it.

    Slices take ten times as long as the rest. Where they are wanted, they alone are told of.
    """
    rng = np.random.default_rng([number, int(world.lower * 1e4), int(world.correlation * 1e4)])
    everyone = draw(world, N, rng)
    last, train = everyone.some(slice(N_HELD_OUT)), everyone.some(slice(N_HELD_OUT, None))
    cuts, draws = chosen(train), number if seed is None else seed
    exams = [last, everyone]
    on_last, on_everyone = told([differences(one, cuts, draws) for one in exams])
    of_last, of_everyone = (
        [slices(one, cuts, draws, rng) for one in exams] if with_slices else ([], [])
    )
    entry = {
        "name": "main",
        "model_digest": "baseline",
        "rows": N_HELD_OUT,
        "metrics": on_last,
        "everyone": {"rows": N, "metrics": on_everyone, "slices": of_everyone},
        "slices": of_last,
    }
    report = {"model_digest": "candidate", "baselines": [entry]}
    results = Results(metrics=None, checks=None, comparison=report, model_digest="candidate")
    gates = [
        one
        for one in gate.judge(results, [limits.own(SETTINGS)]).gates
        if " against main" in one.name and one.name.startswith("slices") == with_slices
    ]
    if any(not one.passed and not one.undecided for one in gates):
        return "worse"
    return "cannot tell" if any(one.undecided for one in gates) else "not worse"


def slices(
    drawn: Drawn, cuts: tuple[float, float], seed: int, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Compare both models in as many groups as there are slices of the shipped table.

    The groups say nothing of the truth: both models are as good in each as they are everywhere.
    """
    wanted = SETTINGS.evaluation.slices
    parts = [
        np.array_split(rng.permutation(len(drawn.y)), wanted.bins)
        for _ in (*wanted.numeric, *wanted.categorical)
    ]
    groups = [np.sort(group) for column in parts for group in column]
    found = told([differences(drawn.some(group), cuts, seed) for group in groups])
    return [
        {"column": "column", "slice": str(i), "rows": len(group), "metrics": metrics}
        for i, (group, metrics) in enumerate(zip(groups, found, strict=True))
    ]


def told(families: list[list[Difference]]) -> list[list[dict[str, object]]]:
    """Return differences that are looked at together as comparison.json has them."""
    return [[asdict(one) for one in family] for family in corrected(families)]


def flips(world: World, number: int) -> bool:
    """Tell whether another `comparison.seed` would have said something else."""
    return judge(world, number, seed=1) != judge(world, number, seed=2)


def covered(n: int, base_rate: float, number: int) -> list[tuple[str, bool | None]]:
    """Tell of each gated metric whether its interval holds the true difference, which is zero."""
    rng = np.random.default_rng([number, n, int(base_rate * 100)])
    drawn = draw(World(0, 0.9), n, rng, base_rate)
    costs = SETTINGS.decision
    cut = costs.cost_false_positive / (costs.cost_false_positive + costs.cost_false_negative)
    return [
        (
            one.metric,
            None if one.lower is None or one.upper is None else one.lower <= 0 <= one.upper,
        )
        for one in differences(drawn, (cut, cut), number)
        if one.metric in SETTINGS.gates.margins
    ]


def failed_checks(rows: int, drift: float, seed: int) -> list[str]:
    """Return which of the shipped checks a synthetic table fails, as `churn validate` runs them.

    With a drift the held-out customers are those of so many months later.
    """
    before, after = (
        next(synthesize.customers(rows, seed, months)).to_pandas() for months in (0.0, drift)
    )
    is_test = split.is_test(before[SETTINGS.data.id], SETTINGS.split.test_share, "truth")
    frames = {"train": before[~is_test].reset_index(drop=True), "test": after[is_test]}
    model = train.fit(frames["train"], SETTINGS).model
    scored = {s: f.assign(probability=model.probability(f)) for s, f in frames.items()}
    checks, cut = SETTINGS.checks, model.card.threshold
    found = deepchecks_program.run(scored, SETTINGS.data, checks, cut)["checks"]
    return [one["check"] for one in found if one["status"] != "passed"]


def share(hits: int, n: int) -> str:
    """Write a share with its Monte-Carlo standard error, in percent."""
    p = hits / n
    return f"{100 * p:.1f} ± {100 * np.sqrt(p * (1 - p) / n):.1f}"


WORLDS = [
    *(World(0, correlation) for correlation in (0.8, 0.95, 0.99)),
    *(World(lower, 0.95) for lower in (0.005, 0.01, 0.03)),
    World(0.01, 0.99),
    World(0.03, 0.8),
]
SIZES = [(50, 0.25), (200, 0.25), (500, 0.05), (2000, 0.25)]


@dataclass(frozen=True)
class Target:
    """What has to hold of a world, in percent."""

    what: str
    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"

    def met(self, percent: float) -> bool:
        """Tell whether it holds."""
        return (self.most is None or percent <= self.most) and (
            self.least is None or percent >= self.least
        )


# Rows, months of drift, and how many may or have to fail.
TABLES = [
    *((rows, 0.0, Target("fail", most=5)) for rows in (1_000, 3_000, 10_000)),
    (10_000, 3.0, Target("fail", least=90)),
]


def verdicts(pool: ProcessPoolExecutor, replications: int) -> Iterator[tuple[World, Counter[str]]]:
    """Count what is said of many pull requests in each world."""
    for world in WORLDS:
        yield world, Counter(pool.map(partial(judge, world), range(replications), chunksize=5))


def targets(world: World) -> list[tuple[Target, Sequence[str]]]:
    """Return what has to hold, with the outcomes that are counted for it."""
    blocked = ("cannot tell", "worse")
    if not world.lower and world.correlation >= 0.95:
        return [
            (Target("blocked", most=5), blocked),
            (Target("called worse", most=2.5), ("worse",)),
        ]
    if not world.lower:
        return [(Target("called worse", most=2.5), ("worse",))]
    if world.lower >= 0.03:
        return [(Target("not merged", least=99), blocked)]
    return [(Target("not merged", least=80), blocked)] if world.lower >= 0.01 else []


def main() -> None:
    """Print the tables; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=600)
    parser.add_argument("--tables", type=int, default=20)
    options = parser.parse_args()
    n, n_tables = options.replications, options.tables
    os.environ["OMP_NUM_THREADS"] = "1"
    missed = []
    with ProcessPoolExecutor() as pool:
        table = Table(*("truth", *(f"{o}, %" for o in OUTCOMES), "wanted"), box=box.SIMPLE_HEAD)
        for world, seen in verdicts(pool, n):
            wanted = []
            for target, outcomes in targets(world):
                percent = 100 * sum(seen[outcome] for outcome in outcomes) / n
                wanted.append(f"{target.what} {target} {'✓' if target.met(percent) else '✗'}")
                if not target.met(percent):
                    missed.append(f"{world}: {target.what} {percent:.1f} %, wanted {target} %")
            table.add_row(str(world), *(share(seen[o], n) for o in OUTCOMES), "; ".join(wanted))
        Console(width=120).print(table)
        for world in (World(0, 0.8), World(0.005, 0.95)):
            n_flips = sum(pool.map(partial(flips, world), range(n), chunksize=5))
            print(f"{world}: another comparison.seed says otherwise in {share(n_flips, n)} %")
            if 100 * n_flips / n > 1:
                missed.append(f"{world}: flips in {100 * n_flips / n:.1f} %, wanted ≤ 1 %")
        few = max(10, n // 10)
        for world in WORLDS[:2]:
            said = pool.map(partial(judge, world, with_slices=True), range(few), chunksize=1)
            n_blocked = sum(one != "not worse" for one in said)
            print(f"{world}: blocked by a slice in {share(n_blocked, few)} %")
            if 100 * n_blocked / few > 2.5:
                missed.append(f"{world}: blocked by a slice in {100 * n_blocked / few:.1f} %")
        table = Table("held-out customers, churned", *SETTINGS.gates.margins, box=box.SIMPLE_HEAD)
        for size, base_rate in SIZES:
            hits: Counter[str] = Counter()
            told: Counter[str] = Counter()
            for one in pool.map(partial(covered, size, base_rate), range(5 * n), chunksize=20):
                told.update(metric for metric, held in one if held is not None)
                hits.update(metric for metric, held in one if held)
            cells = [share(hits[m], max(1, told[m])) for m in SETTINGS.gates.margins]
            table.add_row(f"{size:,}, {base_rate:.0%}", *cells)
            missed += [
                f"{size:,} customers: {m} is covered in {100 * hits[m] / told[m]:.1f} %"
                for m in SETTINGS.gates.margins
                if told[m] and not 93 <= 100 * hits[m] / told[m] <= 97
            ]
        Console(width=120).print("Coverage of the 95 % intervals, % (wanted: 93 to 97)", table)
        table = Table("rows", "months of drift", "fail, %", "by", "wanted", box=box.SIMPLE_HEAD)
        for rows, drift, target in TABLES:
            found = list(pool.map(partial(failed_checks, rows, drift), range(n_tables)))
            percent = 100 * sum(map(bool, found)) / n_tables
            by = Counter(name for names in found for name in names)
            names = ", ".join(f"{name} {times}" for name, times in by.most_common())
            failing = share(sum(map(bool, found)), n_tables)
            mark = "✓" if target.met(percent) else "✗"
            table.add_row(f"{rows:,}", f"{drift:g}", failing, names, f"{target} {mark}")
            if not target.met(percent):
                missed.append(f"{rows:,} rows, drift {drift:g}: {percent:.1f} % fail")
        Console(width=120).print("Synthetic tables that fail any of the shipped checks", table)
    for line in missed:
        print(f"missed: {line}")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
