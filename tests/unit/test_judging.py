"""Which code judges, and what kinds of files a change touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn.judging import judging_code, sort_changes
from tests.conftest import ROOT
from tests.unit.repositories import write

JUDGING = judging_code(ROOT)
TOP = frozenset(path.name for path in ROOT.iterdir())
PROGRAMS = ("checks/__main__", "churn/__main__", "churn/comment/__main__", "churn/serving")


def kind(*paths: str) -> str:
    """Name the one kind that these files are of."""
    touched = sort_changes(paths, JUDGING, TOP)
    [found] = [name for name in touched.__annotations__ if getattr(touched, name)]
    return found


@pytest.mark.parametrize(
    "path",
    [
        "src/checks/conditions.py",
        "src/churn/baseline.py",
        "src/churn/cli.py",
        "src/churn/comment/body.py",
        "src/churn/compare.py",
        "src/churn/data/schema.py",
        "src/churn/evaluation/comparison.py",
        "src/churn/gate.py",
        "src/churn/judging.py",
        "src/churn/limits.py",
        "src/churn/params.py",
        "src/churn/release.py",
        "src/churn/report/page.html.j2",
        "src/churn/stages/validate.py",
        "src/churn/verdict.py",
    ],
)
def test_what_a_verdict_is_computed_with_is_judging_code(path: str) -> None:
    assert path in JUDGING
    assert kind(path) == "judging"


@pytest.mark.parametrize(
    "path",
    [
        *sorted(f"src/churn/model/{file.name}" for file in (ROOT / "src/churn/model").glob("*.py")),
        "src/churn/model/another.py",
        "src/churn/data/synthesize.py",
    ],
)
def test_the_code_of_the_model_is_no_judging_code(path: str) -> None:
    assert path not in JUDGING
    assert kind(path) == "model"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("params.yaml", "parameters"),
        (".github/workflows/pull-request.yml", "workflows"),
        (".github/CODEOWNERS", "workflows"),
        ("data.dvc", "data"),
        ("data/customers.csv", "data"),
        ("dvc-remote/files/md5/ab/cdef", "data"),
        ("tests/integration/test_serving.py", "judging"),
        ("tests/conftest.py", "judging"),  # pytest loads it for tests/integration as well
        ("tests/workflows/fake_github.py", "judging"),  # and it imports this
        ("dvc.yaml", "judging"),
        ("pyproject.toml", "judging"),
        ("requirements/pipeline.txt", "judging"),
        ("Makefile", "judging"),
        ("scripts/install", "judging"),
        (".dvc/config", "judging"),
        (".dvcignore", "judging"),
        ("README.md", "others"),
        ("docs/note.md", "others"),
        ("dvc.lock", "others"),
        ("reports/metrics.json", "others"),
        ("tests/unit/test_gate.py", "others"),
        ("src/churn/runs.py", "judging"),
        ("src/churn/registry/migrate.py", "judging"),  # every command that moves versions loads it
        ("src/churn/status.py", "judging"),
        ("src/churn/serving.py", "judging"),
        (".gitignore", "judging"),
        (".gitattributes", "judging"),
        ("src/churn/serve/app.py", "others"),
        ("benchmarks/bench.py", "others"),
        ("notebooks/look.ipynb", "others"),
    ],
)
def test_other_files_have_kinds_of_their_own(path: str, expected: str) -> None:
    assert kind(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "src/churn/gate/__init__.py",
        "src/churn/gate.cpython-311-x86_64-linux-gnu.so",
        "src/churn/__pycache__/gate.cpython-311.pyc",
        "src/churn/report/__init__.abi3.so",
        "src/checks/run/__init__.py",
        "src/numpy.py",
        "src/yaml/__init__.py",
        "pandas/__init__.py",  # `python -m` looks in the current folder first
        "sitecustomize.py",
        "conftest.py",
        "pytest.ini",
        "uv.toml",
        "GNUmakefile",
    ],
)
def test_a_new_file_that_would_be_taken_instead_judges_as_well(path: str) -> None:
    assert not (ROOT / path).exists()
    assert kind(path) == "judging"


def test_each_file_is_named_once_and_in_order() -> None:
    paths = ["src/churn/gate.py", "dvc.yaml", "src/churn/gate.py"]
    assert sort_changes(paths, JUDGING, TOP).judging == ("dvc.yaml", "src/churn/gate.py")


def repository(root: Path, files: dict[str, str]) -> Path:
    """Write a repository with these modules, and programs that import the first."""
    first = next(iter(files), "os").replace("/", ".")
    programs = {f"src/{name}.py": f"import {first}\n" for name in PROGRAMS}
    stages = ("evaluate", "prepare", "train", "validate")
    programs |= {f"src/churn/stages/{stage}.py": "" for stage in stages}
    write(root, programs | {f"src/{name}.py": text for name, text in files.items()})
    return root


@pytest.mark.parametrize(
    "imported",
    [
        "import churn.b",
        "import os, churn.b as other",
        "from churn import b",
        "from churn.b import anything",
        "from . import b",
        "from .b import anything",
        "def f():\n    from churn import b",
        "if TYPE_CHECKING:\n    import churn.b",
        "try:\n    import churn.b\nexcept ImportError:\n    pass",
    ],
)
def test_imports_are_followed_wherever_they_stand(tmp_path: Path, imported: str) -> None:
    root = repository(
        tmp_path, {"churn/a": imported, "churn/b": "import churn.c", "churn/c": "x ="}
    )
    found = judging_code(root)
    assert {"src/churn/a.py", "src/churn/b.py", "src/churn/c.py"} <= found
    write(root, {"src/churn/a.py": ""})
    assert not {"src/churn/b.py", "src/churn/c.py"} & judging_code(root)


def test_packages_count_with_what_lies_beside_their_code(tmp_path: Path) -> None:
    files = {"churn/a": "import churn.p.q.r", "churn/p/__init__": "", "churn/p/q/__init__": ""}
    root = repository(tmp_path, {**files, "churn/p/q/r": "", "churn/p/other": ""})
    write(root, {"src/churn/p/page.html.j2": "", "src/churn/p/__pycache__/x.pyc": ""})
    found = judging_code(root)
    assert {f"src/churn/p/{name}" for name in ("__init__.py", "q/__init__.py", "page.html.j2")} <= (
        found
    )
    assert not {"src/churn/p/other.py", "src/churn/p/__pycache__/x.pyc"} & found


def test_what_the_models_code_imports_judges_too(tmp_path: Path) -> None:
    files = {"churn/a": "import churn.model.m", "churn/model/m": "import churn.b", "churn/b": ""}
    found = judging_code(repository(tmp_path, files))
    assert "src/churn/b.py" in found
    assert "src/churn/model/m.py" not in found


@pytest.mark.parametrize("program", PROGRAMS)
def test_where_a_program_is_gone_all_code_but_the_models_judges(
    tmp_path: Path, program: str
) -> None:
    root = repository(tmp_path, {"churn/a": "", "churn/lonely": "", "churn/model/m": ""})
    assert "src/churn/lonely.py" not in judging_code(root)
    (root / f"src/{program}.py").unlink()
    found = judging_code(root)
    assert "src/churn/lonely.py" in found
    assert "src/churn/model/m.py" not in found
