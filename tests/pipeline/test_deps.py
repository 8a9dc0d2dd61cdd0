"""DVC does not follow imports: each stage's deps must name every module that its code imports."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import packages_distributions
from typing import Any

import grimp
import pytest
import yaml

from churn.cli.main import main
from churn.core.paths import Workspace
from churn.provenance.candidate import SERVED
from churn.tracking.pyfunc import _REQUIREMENTS
from churn.tracking.runs import Tracked
from churn.tune.records import CODE
from tests.pipeline.conftest import ROOT

SRC = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# What skops has stored it imports by name, and no import says so.
SERVING = ("churn.tracking.serving", "churn.model.estimator")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return what imports what, inside functions as well."""
    return grimp.build_graph("churn", "checks", include_external_packages=True, cache_dir=None)


def imported(graph: grimp.ImportGraph, *modules: str) -> set[str]:
    """Return the files that importing the modules runs."""
    todo, seen = list(modules), set()
    while todo:
        name = todo.pop()
        if name in seen or not name.startswith(("churn", "checks")):
            continue
        seen.add(name)
        todo += graph.find_modules_directly_imported_by(name)
    return {path for name in seen for path in files_of(name)}


def files_of(module: str) -> set[str]:
    """Files of a module and of the packages that it is in, but for those without any code."""
    path = SRC.joinpath(*module.split("."))
    files = {path.with_suffix(".py"), *(p / "__init__.py" for p in (path, *path.parents))}
    return {
        file.relative_to(ROOT).as_posix()
        for file in files
        if file.is_file() and file.is_relative_to(SRC) and "import" in file.read_text()
    }


def is_in(file: str, folder: str) -> bool:
    return file == folder or file.startswith(f"{folder}/")


def uncovered(files: set[str], deps: list[str]) -> set[str]:
    return {file for file in files if not any(is_in(file, dep) for dep in deps)}


def unused(files: set[str], deps: list[str]) -> set[str]:
    """Modules and packages of which nothing is among the files."""
    ours = [dep for dep in deps if dep.startswith("src/")]
    return {dep for dep in ours if not any(is_in(file, dep) for file in files)}


def files_of_stage(graph: grimp.ImportGraph, stage: str) -> set[str]:
    # `validate` starts the checks' program in its own environment, and does not import it.
    program = ["checks.__main__"] if stage == "validate" else []
    return imported(graph, f"churn.stages.{stage}", *program)


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_what_the_stage_imports_and_nothing_else(
    graph: grimp.ImportGraph, stage: str
) -> None:
    # Not what `churn.cli` imports: a corrected word in a help text would train the model again.
    files, deps = files_of_stage(graph, stage), STAGES[stage]["deps"]
    assert f"src/churn/stages/{stage}.py" in files
    assert uncovered(files, deps) == set()
    assert unused(files, deps) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_lacks_a_dep_is_found(graph: grimp.ImportGraph, stage: str) -> None:
    files, deps = files_of_stage(graph, stage), STAGES[stage]["deps"]
    for left_out in deps:
        if left_out.startswith("src/"):
            assert uncovered(files, [dep for dep in deps if dep != left_out])


@pytest.mark.parametrize("stage", STAGES)
def test_a_dep_that_a_stage_has_no_use_for_is_found(graph: grimp.ImportGraph, stage: str) -> None:
    deps = [*STAGES[stage]["deps"], "src/churn/deploy"]
    assert unused(files_of_stage(graph, stage), deps) == {"src/churn/deploy"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_s_command_calls_the_stage(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert STAGES[stage]["cmd"] == f"churn {stage}"
    calls: list[tuple[Any, ...]] = []
    module = importlib.import_module(f"churn.stages.{stage}")

    def called(*arguments: Any) -> Tracked:
        calls.append(arguments)
        return Tracked("0123", "0", new=True)

    monkeypatch.setattr(module, "run", called)
    main([stage])
    assert calls == [(Workspace(),)]


def test_what_is_served_covers_what_serving_and_scoring_import(graph: grimp.ImportGraph) -> None:
    # Where its code is the same, a baseline is scored in this process.
    assert uncovered(imported(graph, *SERVING, "churn.model.prediction"), [*SERVED]) == set()


def test_a_search_begins_anew_when_code_changes_that_its_candidates_run(
    graph: grimp.ImportGraph,
) -> None:
    files = imported(graph, "churn.tune.candidate", "churn.tune.search")
    # What names files and digests them changes no candidate.
    files = {file for file in files if not is_in(file, "src/churn/provenance")}
    assert uncovered(files, [*CODE]) == set()
    assert unused(files, [*CODE]) == set()


@pytest.mark.parametrize("path", [*SERVED, *CODE])
def test_nothing_is_named_that_is_not_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_what_serving_imports_is_among_its_requirements(graph: grimp.ImportGraph) -> None:
    ours = {m for name in SERVING for m in (name, *graph.find_upstream_modules(name))}
    ours = {name for name in ours if name.startswith("churn")}
    program = f"import {', '.join(ours)}, sys; print(*sys.modules)"
    started = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    theirs = {name for module in ours for name in graph.find_modules_directly_imported_by(module)}
    used = theirs & set(started.stdout.split())  # some import only for what serving never does
    # Several packages bring a module such as mlflow.
    found = {name: set(by) for name, by in packages_distributions().items() if name in used}
    assert {"mlflow", "pandas", "sklearn", "skops"} <= set(found)
    missing = [name for name, by in found.items() if not by & {*_REQUIREMENTS, "PyYAML"}]
    assert missing == []


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_lock_of_the_environment(stage: str) -> None:
    locked = {"requirements", "requirements/pipeline.txt"}
    assert locked & set(STAGES[stage]["deps"])
