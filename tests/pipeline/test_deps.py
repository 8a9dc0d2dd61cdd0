"""DVC does not follow imports: each stage's deps must name every module that its code imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import ROOT

SRC = ROOT / "src"
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


def closure(module: str, src: Path) -> set[Path]:
    """Every file that importing a module runs: its packages, its imports, and theirs."""
    todo, seen = [module], set()
    while todo:
        name = todo.pop()
        file = source_of(name, src)
        if file is None or file in seen:
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


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_what_the_stage_imports(stage: str) -> None:
    files = closure(f"churn.stages.{stage}", SRC)
    assert SRC / f"churn/stages/{stage}.py" in files

    assert uncovered(files, STAGES[stage]["deps"], ROOT) == set()


def test_validate_depends_on_the_program_that_it_calls() -> None:
    files = closure("checks.__main__", SRC)
    assert SRC / "checks/run.py" in files

    assert uncovered(files, STAGES["validate"]["deps"], ROOT) == set()


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
