"""Which code judges, and what kinds of files a change touches."""

from __future__ import annotations

import tomllib

import pytest

from churn.review.judging import sort_changes
from tests.conftest import ROOT

TOP = frozenset(path.name for path in ROOT.iterdir())


def kind(*paths: str) -> str:
    """Name the one kind that these files are of."""
    touched = sort_changes(paths, TOP)
    [found] = [name for name in touched.__annotations__ if getattr(touched, name)]
    return found


@pytest.mark.parametrize(
    "path",
    [
        "src/checks/conditions.py",
        "src/churn/review/baseline.py",
        "src/churn/cli/main.py",
        "src/churn/comment/body.py",
        "src/churn/review/compare.py",
        "src/churn/data/schema.py",
        "src/churn/evaluation/comparison.py",
        "src/churn/review/gate.py",
        "src/churn/review/judging.py",
        "src/churn/review/limits.py",
        "src/churn/core/params/judging.py",
        "src/churn/deploy/release.py",
        "src/churn/review/report/page.html.j2",
        "src/churn/stages/validate.py",
        "src/churn/review/verdict.py",
    ],
)
def test_what_a_verdict_is_computed_with_is_judging_code(path: str) -> None:
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
    assert kind(path) == "model"


@pytest.mark.parametrize("package", ["serve", "monitor", "batch", "tune"])
def test_neither_the_server_nor_a_search_judges(package: str) -> None:
    assert kind(f"src/churn/{package}/app.py") == "others"
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [contract] = layers["contracts"]
    [layer] = [n for n, names in enumerate(contract["layers"]) if package in names.split()]
    [review] = [n for n, names in enumerate(contract["layers"]) if "review" in names.split()]
    assert layer < review  # so review cannot import it


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
        ("src/churn/cli/runs.py", "judging"),
        ("src/churn/registry/migrate.py", "judging"),  # every command that moves versions loads it
        ("src/churn/deploy/status.py", "judging"),
        ("src/churn/retrain/run.py", "judging"),  # it has a token that may write
        ("src/churn/tracking/serving.py", "judging"),
        (".gitignore", "judging"),
        (".gitattributes", "judging"),
        ("src/churn/another/app.py", "judging"),
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
    paths = ["src/churn/review/gate.py", "dvc.yaml", "src/churn/review/gate.py"]
    assert sort_changes(paths, TOP).judging == ("dvc.yaml", "src/churn/review/gate.py")
