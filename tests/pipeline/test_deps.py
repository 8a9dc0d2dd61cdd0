"""DVC does not follow imports: each stage's deps must name every module that its code imports."""

from __future__ import annotations

import ast
import importlib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.cli.main import main
from churn.core.paths import Workspace
from churn.provenance.candidate import SCORED, SERVED
from churn.tracking.pyfunc import _REQUIREMENTS
from churn.tracking.runs import Tracked
from tests.pipeline.conftest import ROOT

SRC = ROOT / "src"
CLI = ast.parse((SRC / "churn/cli/main.py").read_text())
_NO_OPTIONS = ("not settings", "model is None")
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def imported(source: Path) -> set[str]:
    """Names of modules that a file imports, anywhere in it; unknown ones among them."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{source}: relative imports are not followed here"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def source_of(module: str, src: Path) -> Path | None:
    """The file of a module, if it is one of ours."""
    path = src.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def closure(module: str, src: Path, without: tuple[str, ...] = ()) -> set[Path]:
    """Every file that importing a module runs: its packages, its imports, and theirs.

    What begins as one of `without` is not followed.
    """
    todo, seen = [module], set()
    while todo:
        name = todo.pop()
        file = source_of(name, src)
        if file is None or file in seen or name.startswith(without):
            continue
        seen.add(file)
        if "." in name:
            todo.append(name.rpartition(".")[0])
        todo.extend(imported(file))
    return seen


def does_nothing(source: Path) -> bool:
    """Whether a file holds a docstring at most; its changes change no result."""
    body = ast.parse(source.read_text()).body
    return all(isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in body)


def uncovered(files: set[Path], deps: list[str], root: Path) -> set[str]:
    covered = [root / dep for dep in deps]
    return {
        file.relative_to(root).as_posix()
        for file in files
        if not any(file == dep or dep in file.parents for dep in covered) and not does_nothing(file)
    }


def stage_path(stage: str, cli: ast.Module) -> list[ast.stmt]:
    """What a stage's command does when DVC calls it without options, but for help and printing."""
    [command] = [n for n in cli.body if isinstance(n, ast.FunctionDef) and n.name == stage]
    path: list[ast.stmt] = []
    for statement in command.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) in _NO_OPTIONS:
            # What follows the return is for options; what DVC calls has none.
            assert isinstance(statement.body[-1], ast.Return)
            assert statement.body[-1].value is None
            path += [inner for inner in statement.body[:-1] if not _only_for_options(inner)]
            break
        path.append(statement)
    return [_without_name(s) for s in path if not _is_help(s) and not _prints(s)]


def _only_for_options(statement: ast.stmt) -> bool:
    """Whether it refuses options that do not go together."""
    return (
        isinstance(statement, ast.If)
        and ast.unparse(statement.test) == "settings"
        and all(isinstance(inner, ast.Raise) for inner in statement.body)
    )


def _is_help(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _prints(statement: ast.stmt) -> bool:
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return len(calls) == 1 and ast.unparse(statement).startswith("click.echo(")


def _without_name(statement: ast.stmt) -> ast.stmt:
    """`x = f()` as `f()`: what comes back is printed."""
    return ast.Expr(statement.value) if isinstance(statement, ast.Assign) else statement


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_what_the_stage_imports(stage: str) -> None:
    """Followed from the stage's module, not from `churn.cli.main`.

    `cli.py` holds help texts and options of every command; if it were a dep, a corrected word in
    a help text would train the model again. It may be left out because a stage's command does
    nothing but call the stage, which the next test holds it to.
    """
    files = closure(f"churn.stages.{stage}", SRC)
    assert SRC / f"churn/stages/{stage}.py" in files

    assert uncovered(files, STAGES[stage]["deps"], ROOT) == set()


def unused(deps: list[str], files: set[Path], root: Path) -> set[str]:
    """Deps under src of which nothing is among the files; a change there would run in vain."""
    return {
        dep
        for dep in deps
        if Path(dep).parts[0] == "src"
        and not any(root / dep == file or root / dep in file.parents for file in files)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_nothing_that_the_stage_does_not_import(stage: str) -> None:
    files = closure(f"churn.stages.{stage}", SRC)
    if stage == "validate":
        files |= closure("checks.__main__", SRC)

    assert unused(STAGES[stage]["deps"], files, ROOT) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_s_command_does_nothing_but_call_the_stage(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STAGES[stage]["cmd"] == f"churn {stage}"
    assert [ast.unparse(statement) for statement in stage_path(stage, CLI)] == [
        f"from churn.stages import {stage}",
        f"{stage}.run(Workspace())",
    ]
    calls: list[tuple[Any, ...]] = []
    module = importlib.import_module(f"churn.stages.{stage}")

    def called(*arguments: Any) -> Tracked:
        calls.append(arguments)
        return Tracked("0123", "0", new=True)

    monkeypatch.setattr(module, "run", called)
    main([stage])
    assert calls == [(Workspace(),)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x.run(Workspace())", ["x.run(Workspace())"]),
        ("change()\n    x.run(Workspace())", ["change()", "x.run(Workspace())"]),
        ("if not settings:\n        x.run(1)\n        return\n    other()", ["x.run(1)"]),
        ("if model is None:\n        x.run(1)\n        return\n    other()", ["x.run(1)"]),
        ("if odd:\n        x.run(1)\n    other()", ["if odd:\n    x.run(1)", "other()"]),
        ("done = x.run(1)\n    click.echo(done)", ["x.run(1)"]),
        ("done = x.run(1)\n    change(done)", ["x.run(1)", "change(done)"]),
        ("x.run(1)\n    click.echo(change())", ["x.run(1)", "click.echo(change())"]),
    ],
)
def test_what_a_command_does_besides_is_seen(body: str, expected: list[str]) -> None:
    found = stage_path("x", ast.parse(f'def x():\n    """Help."""\n    {body}\n'))
    assert [ast.unparse(statement) for statement in found] == expected


def test_validate_depends_on_the_program_that_it_calls() -> None:
    files = closure("checks.__main__", SRC)
    assert SRC / "checks/run.py" in files

    assert uncovered(files, STAGES["validate"]["deps"], ROOT) == set()


def test_what_is_served_covers_what_serving_imports() -> None:
    # By name in what skops has stored, not by an import.
    files = closure("churn.tracking.serving", SRC) | closure("churn.model.estimator", SRC)
    assert uncovered(files, [*SERVED], ROOT) == set()


_PINNED = {*_REQUIREMENTS, "PyYAML"}


def test_what_serving_imports_is_among_its_requirements() -> None:
    files = closure("churn.tracking.serving", SRC) | closure("churn.model.estimator", SRC)
    modules = {name.partition(".")[0] for file in files for name in imported_at_once(file)}
    # Several bring a module such as mlflow.
    found = {
        name: packages for name, packages in packages_distributions().items() if name in modules
    }
    assert {"mlflow", "pandas", "sklearn", "skops"} <= set(found)
    missing = [name for name, packages in found.items() if not {*packages} & {*_PINNED}]
    assert missing == ["pydantic_core"]  # comes with pydantic


def imported_at_once(source: Path) -> set[str]:
    """Names of modules that are imported with a file, and not by a function of it."""
    body = ast.parse(source.read_text()).body
    lines = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {line.split()[1] for line in lines}


def test_what_is_scored_covers_what_scoring_a_folder_imports() -> None:
    # MLflow is for addresses; a baseline's model is a folder.
    files = closure(
        "churn.registry.prediction", SRC, without=("churn.tracking.runs", "churn.registry")
    )
    assert SRC / "churn/data/table.py" in files
    assert uncovered(files, [*SCORED], ROOT) == set()


@pytest.mark.parametrize("path", SCORED)
def test_nothing_is_named_that_is_not_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_lock_of_the_environment(stage: str) -> None:
    locked = {"requirements", "requirements/pipeline.txt"}
    assert locked & set(STAGES[stage]["deps"])


def test_a_module_that_is_left_out_is_found(tmp_path: Path) -> None:
    package = tmp_path / "src/churn"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "stage.py").write_text("def run():\n    from churn.deep import thing\n")
    (package / "deep.py").write_text("import churn.deeper\n")
    (package / "deeper.py").write_text("THING = 1\n")
    deps = ["src/churn/stage.py", "src/churn/deep.py"]

    files = closure("churn.stage", tmp_path / "src")

    assert uncovered(files, deps, tmp_path) == {"src/churn/deeper.py"}


def test_a_dep_that_is_not_imported_is_found(tmp_path: Path) -> None:
    package = tmp_path / "src/churn"
    for folder in ("used", "idle"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "stage.py").write_text("import churn.used\n")
    (package / "other.py").touch()
    deps = ["src", "src/churn/used", "src/churn/idle", "src/churn/stage.py", "src/churn/other.py"]

    files = closure("churn.stage", tmp_path / "src")

    found = unused([*deps, "build/train.parquet", "params.yaml"], files, tmp_path)
    assert found == {"src/churn/idle", "src/churn/other.py"}
