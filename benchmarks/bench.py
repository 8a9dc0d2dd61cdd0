"""`make bench`: time and memory, mostly as ratios to a floor that is measured in the same run.

Machines differ and are noisy; ratios are more stable than seconds. Takes about a quarter of an
hour, less with a smaller table: ``--rows 100000``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import batch
import measure
import monitoring
import serving
import tutorial
from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
FLOOR = Path(__file__).with_name("floor.py")
SPARK = ROOT / ".venv-spark" / "bin"
CHECKS_PYTHON = Path(sys.prefix).parent / ".venv-checks" / "bin" / "python"
STAGES = tutorial.STAGES
SIZES = (10_000, 100_000, 1_000_000)
TUTORIAL_TARGET = 0.4
STAGES_TARGET, NOOP_TARGET, TRACK_TARGET = 2.0, 1.3, 3.0
REVIEW_TARGET, UNCHANGED_TARGET = 1.5, 10.0
RELEASE_TARGET, ROLLBACK_TARGET = 5.0, 3.0
NOTHING_NEW_TARGET = 5.0
LARGE_TARGET, MEMORY_TARGET, SYNTHESIZE_TARGET, HELP_TARGET = 5.0, 4000.0, 2000.0, 0.5


@dataclass(frozen=True)
class Result:
    """A measurement and its target, with details for the reader."""

    what: str
    measured: float
    unit: str
    target: float
    details: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        if self.at_least:
            return self.measured >= self.target
        return self.measured <= self.target


def clone(folder: Path) -> Path:
    """Copy the tracked and untracked files, without ignored ones, and pull the data."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for command in (["git", "init", "--quiet", "--initial-branch=main"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=folder, check=True)
    measure.run(["dvc", "pull", "--quiet", "data.dvc"], folder)
    return folder


def default_data(folder: Path, times: int) -> list[Result]:
    """Measure the pipeline on the repository's own data."""
    python = sys.executable
    floor = measure.run([python, FLOOR, "stages"], folder).seconds
    shutil.rmtree(folder / "build")
    cold = measure.run(["dvc", "repro", "--force"], folder).seconds
    repro, status = measure.run_alternately(["dvc", "repro"], ["dvc", "status"], folder, times)
    tracks, imports = [], []
    for i in range(times):
        # In another experiment of the same store, so that the run is not found but logged again.
        environment = {"MLFLOW_EXPERIMENT_NAME": f"bench-{i}"}
        tracks.append(measure.run(["churn", "track"], folder, environment).seconds)
        imports.append(measure.run([python, "-c", "import mlflow"], folder).seconds)
    helps = [measure.run(["churn", "--help"], folder).seconds for _ in range(times)]
    ratios = [a / b for a, b in zip(repro, status, strict=True)]
    noop = statistics.median(ratios)
    track, shown = statistics.median(tracks), statistics.median(helps)
    return [
        Result("cold dvc repro / its computations in one process", cold / floor, "x", STAGES_TARGET,
             f"{cold:.1f} s / {floor:.1f} s"),
        Result("no-op dvc repro / dvc status", noop, "x", NOOP_TARGET,
             f"{statistics.median(repro):.2f} s / {statistics.median(status):.2f} s"),
        Result("churn track, the store exists", track, "s", TRACK_TARGET,
             f"best {min(tracks):.1f} s; importing mlflow {statistics.median(imports):.1f} s"),
        Result("churn --help", shown, "s", HELP_TARGET, f"best {min(helps):.2f} s"),
    ]  # fmt: skip


def by_stage(folder: Path, other: Path, times: int) -> tuple[list[Result], Table]:
    """Measure each stage, its floor, and the same stage as tutorials write it.

    Stages of both are run by DVC. The floor has no DVC; track's is the import of MLflow.
    """
    tutorial.write(other, folder / "data" / "customers.csv", CHECKS_PYTHON)
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "repro"]):
        measure.run(command, other)
    table = Table("stage", "ours", "floor", "ratio", "tutorials", "ratio", box=box.SIMPLE_HEAD)
    python = sys.executable
    ours, theirs = [], []
    for stage in STAGES:
        # `dvc repro --force track` finds the run of these results, and only notes it again.
        command = ["churn", "track"] if stage == "track" else dvc(stage)
        floor = [python, "-c", "import mlflow"] if stage == "track" else floor_of(stage)
        measured = []
        for i in range(times):
            fresh = {"MLFLOW_EXPERIMENT_NAME": f"bench-stages-{i}"}
            measured.append((
                measure.run(command, folder, fresh).seconds,
                measure.run(floor, folder).seconds,
                measure.run(dvc(stage), other).seconds,
            ))  # fmt: skip
        mine, least, tutorials = (statistics.median(side) for side in zip(*measured, strict=True))
        ours.append(mine)
        theirs.append(tutorials)
        table.add_row(
            stage, f"{mine:.1f} s", f"{least:.1f} s", f"{mine / least:.2f}", f"{tutorials:.1f} s",
            f"{mine / tutorials:.2f}",
        )  # fmt: skip
    ratio = sum(ours) / sum(theirs)
    details = f"{sum(ours):.1f} s / {sum(theirs):.1f} s"
    return [
        Result("all stages / as tutorials write them", ratio, "x", TUTORIAL_TARGET, details)
    ], table


def dvc(stage: str) -> list[str]:
    """Return the command that runs a stage again."""
    return ["dvc", "repro", "--single-item", "--force", stage]


def floor_of(stage: str) -> list[str]:
    """Return the command that runs a stage's computations alone."""
    return [sys.executable, str(FLOOR), "stage", stage]


def pull_request(folder: Path) -> list[Result]:
    """Measure the job of a pull request after its set-up, as on a runner without cache.

    For a change of the model, relative to a cold `dvc repro` of it, and for a change of documents.
    The baseline's model comes from the DVC remote.
    """
    review = ["churn", "review", "--baseline", "main", "--from-scratch"]

    def without_cache(command: list[str]) -> measure.Usage:
        for name in ("build", ".dvc/cache"):
            shutil.rmtree(folder / name, ignore_errors=True)
        git(folder, "checkout", "--quiet", "--", ".")
        measure.run(["dvc", "pull", "--quiet", "data.dvc"], folder)
        return measure.run(command, folder)

    commit(folder, "main")
    git(folder, "switch", "--quiet", "--create", "change")
    (folder / "README.md").write_text("Other words.\n")
    commit(folder, "documents")
    unchanged = without_cache(review).seconds
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("max_iter: 120", "max_iter: 110"))
    commit(folder, "model")
    repro = without_cache(["dvc", "repro"]).seconds
    reviewed = without_cache(review).seconds
    return [
        Result("pull request with another model / cold dvc repro", reviewed / repro, "x",
             REVIEW_TARGET, f"{reviewed:.1f} s / {repro:.1f} s"),
        Result("pull request with other documents", unchanged, "s", UNCHANGED_TARGET, ""),
    ]  # fmt: skip


# Replaces the integration tests, so that the start and latency of a server are not measured.
NO_TESTS = """
import json, pathlib

def pytest_addoption(parser):
    for name in ("--model-uri", "--rows", "--serving-report"):
        parser.addoption(name)

def pytest_sessionfinish(session):
    report = {"passed": 1, "failed": [], "skipped": [], "start_s": 0.0, "p95_ms": 0.0}
    pathlib.Path(session.config.getoption("--serving-report")).write_text(json.dumps(report))
"""


def release(folder: Path, times: int) -> list[Result]:
    """Measure releases that replace a version in Production, and rollbacks, in the local registry.

    The integration tests are replaced by an empty test, whose time is subtracted. One candidate was
    compared with the version in Production by its review; another has to be compared again, as
    after another release.
    """
    shutil.rmtree(folder / "tests")
    tests = folder / "tests" / "integration"
    tests.mkdir(parents=True)
    (tests / "conftest.py").write_text(NO_TESTS)
    (tests / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    params = folder / "params.yaml"
    nothing = {"MLFLOW_TRACKING_URI": "sqlite:///nothing.db"}  # a store with nothing in Production
    seconds = []
    for trees, reviewed_against in ((110, {}), (105, {}), (100, nothing)):
        params.write_text(re.sub(r"max_iter: \d+", f"max_iter: {trees}", params.read_text()))
        commit(folder, f"{trees} trees")
        measure.run(["churn", "review", "--production"], folder, reviewed_against)
        seconds.append(measure.run(["churn", "release", "build/candidate"], folder).seconds)
    pytest = [sys.executable, "-m", "pytest", "tests/integration", "--quiet"]
    pytest += ["--serving-report", "nothing.json"]
    tests_alone = statistics.median(measure.run(pytest, folder).seconds for _ in range(times))
    imports = [sys.executable, "-c", "import scipy.special, mlflow, skops.io"]
    imported = statistics.median(measure.run(imports, folder).seconds for _ in range(times))
    details = f"and {tests_alone:.1f} s of pytest; importing MLflow and skops {imported:.1f} s"
    back = []
    for _ in range(times):
        back.append(measure.run(["churn", "rollback"], folder).seconds)
        measure.run(["churn", "promote", "3", "--to", "production"], folder)
    return [
        Result("churn release of what was reviewed", seconds[1] - tests_alone, "s", RELEASE_TARGET,
             details),
        Result("churn release, compared again", seconds[2] - tests_alone, "s", RELEASE_TARGET, ""),
        Result("churn rollback", statistics.median(back), "s", ROLLBACK_TARGET,
             f"best {min(back):.1f} s"),
    ]  # fmt: skip


def commit(folder: Path, message: str) -> None:
    """Run the pipeline, push its outputs, and commit everything."""
    measure.run(["dvc", "repro", "--quiet"], folder)
    measure.run(["dvc", "push", "--quiet"], folder)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def git(folder: Path, *words: str) -> None:
    """Run git with an author."""
    author = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    subprocess.run(["git", *author, *words], cwd=folder, check=True)


def nothing_new(folder: Path, times: int) -> Result:
    """Measure `churn retrain` where the table at the source is the one that data.dvc names."""
    command = ["churn", "retrain", "--no-pull-request", "--source", "data/customers.csv"]
    seconds = [measure.run(command, folder).seconds for _ in range(times)]
    return Result("churn retrain, nothing new", statistics.median(seconds), "s",
                  NOTHING_NEW_TARGET, f"best {min(seconds):.1f} s")  # fmt: skip


def grow(folder: Path, sizes: list[int]) -> tuple[list[Result], Table]:
    """Measure each stage on growing tables, and compare the largest table with its floor."""
    table = Table("rows", *STAGES, "pipeline", "floor", "ratio", box=box.SIMPLE_HEAD)
    results = []
    data = folder / "data" / "customers.csv"
    for rows in sizes:
        measure.run(
            ["churn", "synthesize", "--customers", str(rows), "--seed", "7", "--output", data],
            folder,
        )
        floor = measure.run([sys.executable, FLOOR, "model", data], folder)
        usage = {stage: measure.run(dvc(stage), folder) for stage in ("data.dvc", *STAGES)}
        seconds = sum(stage.seconds for stage in usage.values())
        peak = max(stage.peak_mb for stage in usage.values())
        cells = [f"{usage[s].seconds:.1f} s\n{usage[s].peak_mb:,.0f} MB" for s in STAGES]
        table.add_row(
            f"{rows:,}", *cells, f"{seconds:.1f} s\n{peak:,.0f} MB",
            f"{floor.seconds:.1f} s\n{floor.peak_mb:,.0f} MB", f"{seconds / floor.seconds:.1f}",
        )  # fmt: skip
        results = [
            Result(f"pipeline on {rows:,} rows / read, fit, predict", seconds / floor.seconds, "x",
                 LARGE_TARGET, f"{seconds:.1f} s / {floor.seconds:.1f} s"),
            Result(f"largest stage on {rows:,} rows", peak, "MB", MEMORY_TARGET,
                 f"floor {floor.peak_mb:,.0f} MB"),
        ]  # fmt: skip
    return results, table


def served(folder: Path) -> list[Result]:
    """Measure `churn serve`, beside MLflow's server and one that only returns the body."""
    return [
        Result(what, measured, "", serving.TARGETS[what], details, what in serving.AT_LEAST)
        for what, (measured, details) in serving.measure(folder).items()
    ]


def watched(folder: Path, rows: int) -> list[Result]:
    """Measure `churn monitor`, beside reading the log only."""
    usages, floor = monitoring.compare(folder, rows)
    small, middle, large = (usages[size] for size in sorted(usages))
    return [
        Result(f"monitor {rows:,} predictions / read them", middle.seconds / floor.seconds, "x",
               monitoring.LOG_TARGET, f"{middle.seconds:.1f} s / {floor.seconds:.1f} s"),
        Result(f"memory for {10 * rows:,} / for {rows // 10:,}", large.peak_mb / small.peak_mb,
               "x", monitoring.MEMORY_TARGET,
               f"{large.peak_mb:,.0f} MB / {small.peak_mb:,.0f} MB, {large.seconds:.0f} s"),
    ]  # fmt: skip


def batched(folder: Path, rows: int) -> list[Result]:
    """Measure `churn predict` into a folder, beside MLflow, and beside reading and writing only."""
    seconds, memory = batch.compare(folder, rows)
    ours, small, large = seconds["predict"], memory[rows], memory[10 * rows]
    return [
        Result(f"MLflow's predict of {rows:,} rows / churn predict, read and written",
             seconds["pyfunc"] / ours, "x", batch.SPEED_TARGET,
             f"{seconds['pyfunc']:.1f} s / {ours:.1f} s; command {seconds['command']:.1f} s", True),
        Result(f"churn predict {rows:,} rows / only read and write them", ours / seconds["floor"],
             "x", batch.FLOOR_TARGET, f"{ours:.1f} s / {seconds['floor']:.1f} s"),
        Result(f"its memory for {10 * rows:,} rows / for {rows:,}", large / small, "x",
             batch.MEMORY_TARGET, f"{large:,.0f} MB / {small:,.0f} MB"),
    ]  # fmt: skip


def clustered(folder: Path, rows: int) -> list[Result]:
    """Measure `churn predict --engine spark` beside one machine, where Spark is installed."""
    if not (SPARK / "spark-submit").exists() or shutil.which("java") is None:
        return []
    seconds = batch.cluster(folder, rows, SPARK)
    spark, local = seconds["spark"], seconds["local"]
    return [
        Result(f"churn predict {rows:,} rows with Spark, local[2] / without", spark / local, "x",
             batch.SPARK_TARGET, f"{spark:.1f} s / {local:.1f} s")
    ]  # fmt: skip


def synthesize(folder: Path, rows: int) -> Result:
    """Measure the memory for generating synthetic customers."""
    output = folder / "many.parquet"
    usage = measure.run(
        ["churn", "synthesize", "--customers", str(rows), "--seed", "7", "--output", output], folder
    )
    return Result(f"synthesize {rows:,} customers", usage.peak_mb, "MB", SYNTHESIZE_TARGET,
                f"{usage.seconds:.0f} s")  # fmt: skip


def show(results: list[Result], stages: Table, growth: Table, console: Console) -> None:
    """Print the results, those of the stages, and the growth with the size of the table."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("what", "measured", "target", "verdict", "details"):
        table.add_column(name, justify="right" if name in ("measured", "target") else "left")
    for result in results:
        digits = 0 if result.unit == "MB" else 2
        verdict = "[green]met[/]" if result.met else "[red]missed[/]"
        table.add_row(
            result.what,
            f"{result.measured:,.{digits}f} {result.unit}",
            f"{'≥ ' if result.at_least else ''}{result.target:,.{digits}f} {result.unit}",
            verdict,
            result.details,
        )
    console.print(table)
    console.print("The stages on the repository's own data")
    console.print(stages)
    console.print(
        "Growth with the size of the table (each stage run by DVC; seconds and peak memory)"
    )
    console.print(growth)


def main() -> None:
    """Measure and print; exit code 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=SIZES[-1], help="rows of the largest table")
    parser.add_argument("--times", type=int, default=7, help="repetitions of short commands")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as scratch:
        folder = clone(Path(scratch) / "clone")
        results = default_data(folder, arguments.times)
        other = Path(scratch) / "tutorial"
        other.mkdir()
        stages, by_name = by_stage(folder, other, min(3, arguments.times))
        results += stages
        results += pull_request(folder)
        results.append(nothing_new(folder, arguments.times))
        results += release(folder, arguments.times)
        results += served(folder)
        results += watched(folder, arguments.rows)
        results += batched(folder, arguments.rows)
        results += clustered(folder, 10 * arguments.rows)
        sizes = [size for size in SIZES if size < arguments.rows] + [arguments.rows]
        large, growth = grow(folder, sizes)
        results += [*large, synthesize(folder, 10 * arguments.rows)]
    show(results, by_name, growth, console)
    sys.exit(0 if all(result.met for result in results) else 1)


if __name__ == "__main__":
    main()
