"""`make truth`: simulate how often the verdict is wrong, with the project's own functions.

Each replication draws customers and two models' scores with a known truth: both models are equally
good, or the candidate's ROC AUC is lower by a given amount. Each model's threshold is chosen; then
they are compared and judged as `churn compare` and `churn gate` do, on 10,000 customers of whom
2,000 are held out, by the margins of params.yaml. Finally, synthetic tables with and without drift
go through the shipped checks. Takes more than an hour; ``--replications 100 --tables 5`` takes a
fifth of that, with larger errors.

Not simulated: a second baseline, and that out-of-fold predictions come from different fits.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from churn.core import params
from churn.data import split, synthesize
from churn.evaluation import tasks
from churn.evaluation.comparison import compare
from churn.evaluation.differences import Difference
from churn.evaluation.many_looks import corrected
from churn.evaluation.tasks import Scored
from churn.model.threshold import choose
from churn.review import gate, limits
from churn.review.comparison import Compared, ComparedSlice, Comparison, Everyone
from churn.review.gate import Results
from churn.stages import train
from churn.validation import program as deepchecks_program

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = params.load(ROOT / "params.yaml")
TASK = tasks.of_params(SETTINGS)
N, N_HELD_OUT, BASE_RATE, AUC = 10_000, 2_000, 0.25, 0.84
OUTCOMES = ("not worse", "cannot tell", "worse")


@dataclass(frozen=True)
class World:
    """A truth: by how much the candidate's ROC AUC is lower, and the correlation of the scores."""

    lower: float
    correlation: float

    def __str__(self) -> str:
        quality = f"ROC AUC lower by {self.lower:g}" if self.lower else "equal"
        return f"{quality}, scores correlate at {self.correlation:g}"


@dataclass(frozen=True)
class Sample:
    """Customers with both models' predictions."""

    y: np.ndarray
    baseline: np.ndarray
    candidate: np.ndarray

    def subset(self, members: slice | np.ndarray) -> Sample:
        """Return some of the customers."""
        return Sample(self.y[members], self.baseline[members], self.candidate[members])


def draw(world: World, n: int, rng: np.random.Generator, base_rate: float = BASE_RATE) -> Sample:
    """Draw customers: scores are normal in each class, and probabilities are calibrated."""
    y = (rng.random(n) < base_rate).astype(int)
    shared = rng.normal(size=n) * np.sqrt(world.correlation)
    probabilities = []
    for auc in (AUC, AUC - world.lower):
        gap = np.sqrt(2) * norm.ppf(auc)  # between the means of the classes, in standard deviations
        score = gap * y + shared + rng.normal(size=n) * np.sqrt(1 - world.correlation)
        odds = gap * score - gap**2 / 2 + np.log(base_rate / (1 - base_rate))
        probabilities.append(1 / (1 + np.exp(-odds)))
    return Sample(y, *probabilities)


def differences(sample: Sample, cuts: tuple[float, float], seed: int) -> list[Difference]:
    """Compare both models as `churn compare` does."""
    both = map(Scored, (sample.baseline, sample.candidate), cuts)
    return compare(TASK, sample.y, *both, seed, SETTINGS.comparison.resamples)


def thresholds(sample: Sample) -> tuple[float, float]:
    """Choose each model's threshold as `churn train` does."""
    return (
        choose(sample.y, sample.baseline, SETTINGS.decision),
        choose(sample.y, sample.candidate, SETTINGS.decision),
    )


def judge(world: World, number: int, seed: int | None = None, with_slices: bool = False) -> str:
    """Judge one simulated pull request, and return the outcome.

    With `with_slices` by the gates of slices only, which take ten times as long as the others.
    """
    rng = np.random.default_rng([number, int(world.lower * 1e4), int(world.correlation * 1e4)])
    everyone = draw(world, N, rng)
    held_out, train = everyone.subset(slice(N_HELD_OUT)), everyone.subset(slice(N_HELD_OUT, None))
    cuts, draws = thresholds(train), number if seed is None else seed
    exams = [held_out, everyone]
    on_held_out, on_everyone = corrected([differences(exam, cuts, draws) for exam in exams])
    of_held_out, of_everyone = (
        [slices(exam, cuts, draws, rng) for exam in exams] if with_slices else ([], [])
    )
    entry = Compared(
        name="main",
        model_digest="baseline",
        rows=N_HELD_OUT,
        metrics=on_held_out,
        everyone=Everyone(rows=N, held_out=N_HELD_OUT, metrics=on_everyone, slices=of_everyone),
        slices=of_held_out,
    )
    report = Comparison(model_digest="candidate", baselines=[entry])
    results = Results(metrics=None, checks=None, comparison=report, model_digest="candidate")
    gates = [
        judged
        for judged in gate.judge(results, [limits.own(SETTINGS)]).gates
        if " against main" in judged.name and judged.name.startswith("slices") == with_slices
    ]
    if any(not judged.passed and not judged.undecided for judged in gates):
        return "worse"
    return "cannot tell" if any(judged.undecided for judged in gates) else "not worse"


def slices(
    sample: Sample, cuts: tuple[float, float], seed: int, rng: np.random.Generator
) -> list[ComparedSlice]:
    """Compare both models in as many random groups as the shipped table has slices.

    The groups are independent of the scores, so the truth is the same in each.
    """
    wanted = SETTINGS.evaluation.slices
    parts = [
        np.array_split(rng.permutation(len(sample.y)), wanted.bins)
        for _ in (*wanted.numeric, *wanted.categorical)
    ]
    groups = [np.sort(group) for column in parts for group in column]
    compared = corrected([differences(sample.subset(group), cuts, seed) for group in groups])
    return [
        ComparedSlice(column="column", slice=str(i), rows=len(group), metrics=metrics)
        for i, (group, metrics) in enumerate(zip(groups, compared, strict=True))
    ]


def flips(world: World, number: int) -> bool:
    """Tell whether the outcome depends on `comparison.seed`."""
    return judge(world, number, seed=1) != judge(world, number, seed=2)


def covered(n: int, base_rate: float, number: int) -> list[tuple[str, bool | None]]:
    """Return for each gated metric whether its interval covers the true difference, zero."""
    rng = np.random.default_rng([number, n, int(base_rate * 100)])
    sample = draw(World(0, 0.9), n, rng, base_rate)
    costs = SETTINGS.decision
    cut = costs.cost_false_positive / (costs.cost_false_positive + costs.cost_false_negative)
    return [
        (
            found.metric,
            None if found.lower is None or found.upper is None else found.lower <= 0 <= found.upper,
        )
        for found in differences(sample, (cut, cut), number)
        if found.metric in SETTINGS.gates.margins
    ]


def failed_checks(rows: int, drift: float, seed: int) -> list[str]:
    """Return the shipped checks that a synthetic table fails, run as by `churn validate`.

    With drift, the held-out customers are from that many months later.
    """
    before, after = (
        next(synthesize.customers(rows, seed, months)).to_pandas() for months in (0.0, drift)
    )
    is_test = split.is_test(before[SETTINGS.data.id], SETTINGS.split.test_share, "truth")
    frames = {"train": before[~is_test].reset_index(drop=True), "test": after[is_test]}
    model = train.fit(frames["train"], SETTINGS).model
    scored = {side: pd.concat([f, model.predict(f)], axis=1) for side, f in frames.items()}
    results = deepchecks_program.run(scored, SETTINGS.data, SETTINGS.checks, TASK.output)
    return [result.check for result in results if result.status != "passed"]


def share(hits: int, n: int) -> str:
    """Format a share with its Monte Carlo standard error, in percent."""
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
    """An upper or a lower bound, in percent."""

    what: str
    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"

    def met(self, percent: float) -> bool:
        """Tell whether a percentage is within the bound."""
        return (self.most is None or percent <= self.most) and (
            self.least is None or percent >= self.least
        )


# Rows, months of drift, and the share that may or must fail.
TABLES = [
    *((rows, 0.0, Target("fail", most=5)) for rows in (1_000, 3_000, 10_000)),
    (10_000, 3.0, Target("fail", least=90)),
]


def verdicts(pool: ProcessPoolExecutor, replications: int) -> Iterator[tuple[World, Counter[str]]]:
    """Count the outcomes of many pull requests in each world."""
    for world in WORLDS:
        yield world, Counter(pool.map(partial(judge, world), range(replications), chunksize=5))


def targets(world: World) -> list[tuple[Target, Sequence[str]]]:
    """Return the targets of a world, each with the outcomes that are counted."""
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
    """Print the tables; exit code 1 if a target is missed."""
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
            print(f"{world}: another comparison.seed changes the outcome in {share(n_flips, n)} %")
            if 100 * n_flips / n > 1:
                missed.append(f"{world}: flips in {100 * n_flips / n:.1f} %, wanted ≤ 1 %")
        few = max(10, n // 10)
        for world in WORLDS[:2]:
            outcomes = pool.map(partial(judge, world, with_slices=True), range(few), chunksize=1)
            n_blocked = sum(outcome != "not worse" for outcome in outcomes)
            print(f"{world}: blocked by a slice in {share(n_blocked, few)} %")
            if 100 * n_blocked / few > 2.5:
                missed.append(f"{world}: blocked by a slice in {100 * n_blocked / few:.1f} %")
        table = Table("held-out customers, churned", *SETTINGS.gates.margins, box=box.SIMPLE_HEAD)
        for size, base_rate in SIZES:
            hits: Counter[str] = Counter()
            defined: Counter[str] = Counter()
            for covers in pool.map(partial(covered, size, base_rate), range(5 * n), chunksize=20):
                defined.update(metric for metric, hit in covers if hit is not None)
                hits.update(metric for metric, hit in covers if hit)
            cells = [share(hits[m], max(1, defined[m])) for m in SETTINGS.gates.margins]
            table.add_row(f"{size:,}, {base_rate:.0%}", *cells)
            missed += [
                f"{size:,} customers: {m} is covered in {100 * hits[m] / defined[m]:.1f} %"
                for m in SETTINGS.gates.margins
                if defined[m] and not 93 <= 100 * hits[m] / defined[m] <= 97
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
