"""scripts/install: an environment holds what the locks say, and nothing that has left them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.long

# A build backend that needs nothing installed, for a project that stands where churn would.
_BACKEND = """
import zipfile
def get_requires_for_build_editable(config_settings=None):
    return []
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "churn-1-py3-none-any.whl"
    info = "churn-1.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: churn\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the scripts, a project, and wheels of packages `a`, `b` and `tool`."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    if (ROOT / ".venv-uv").exists():
        (tmp_path / ".venv-uv").symlink_to(ROOT / ".venv-uv")
    (tmp_path / "backend.py").write_text(_BACKEND)
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "churn"\nversion = "1"\n'
    )
    (tmp_path / "wheels").mkdir()
    for name in ("a", "b", "tool"):
        info = f"{name}-1.dist-info"
        with zipfile.ZipFile(tmp_path / "wheels" / f"{name}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
            wheel.writestr(f"{info}/RECORD", "")
    return tmp_path


def lock(project: Path, file: str, *names: str) -> None:
    """Lock packages with the hashes of their wheels."""
    lines = []
    for name in names:
        content = (project / "wheels" / f"{name}-1-py3-none-any.whl").read_bytes()
        lines.append(f"{name}==1 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n")
    (project / file).write_text("".join(lines))


def call(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    offline = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(project / "wheels"), "UV_OFFLINE": "1"}
    offline["UV_CACHE_DIR"] = str(project / "cache")
    return subprocess.run(
        command, cwd=project, env=os.environ | offline, capture_output=True, text=True, timeout=120
    )


def install(project: Path, *arguments: str) -> set[str]:
    """Install from locks, and return what is there then."""
    done = call(project, "scripts/install", *arguments)
    assert done.returncode == 0, done.stderr
    listed = call(project, "scripts/uv", "pip", "list", "--python", ".venv", "--format", "freeze")
    return {line.partition("==")[0] for line in listed.stdout.split()}


def test_a_package_that_has_left_the_lock_is_removed(project: Path) -> None:
    lock(project, "lock.txt", "a", "b")
    assert install(project, ".venv", "lock.txt") == {"a", "b"}

    lock(project, "lock.txt", "b")

    assert install(project, ".venv", "lock.txt") == {"b"}


def test_two_locks_are_one_environment_and_the_project_stays_in_it(project: Path) -> None:
    lock(project, "pipeline.txt", "a", "b")
    lock(project, "dev.txt", "b", "tool")
    assert install(project, "--with-churn", ".venv", "pipeline.txt") == {"a", "b", "churn"}

    both = install(project, "--with-churn", ".venv", "pipeline.txt", "dev.txt")
    assert both == {"a", "b", "tool", "churn"}

    lock(project, "pipeline.txt", "b")
    both = install(project, "--with-churn", ".venv", "pipeline.txt", "dev.txt")
    assert both == {"b", "tool", "churn"}


def test_a_package_with_another_hash_is_refused(project: Path) -> None:
    lock(project, "lock.txt", "a")
    text = (project / "lock.txt").read_text()
    (project / "lock.txt").write_text(text[:-5] + "0000\n")

    done = call(project, "scripts/install", ".venv", "lock.txt")

    assert done.returncode != 0
    assert "Hash mismatch" in done.stderr


def test_a_package_without_a_hash_is_refused(project: Path) -> None:
    (project / "lock.txt").write_text("a==1\n")

    done = call(project, "scripts/install", ".venv", "lock.txt")

    assert done.returncode != 0
    assert "--require-hashes" in done.stderr


def test_in_a_folder_that_was_moved_the_environment_is_made_again(project: Path) -> None:
    shutil.copy(ROOT / "Makefile", project / "Makefile")
    lock(project, "lock.txt", "a")
    install(project, ".venv", "lock.txt")
    (project / ".venv" / "pipeline.installed").touch()
    assert "moved" not in call(project, "make", "help").stdout

    moved = project.rename(project.with_name(f"{project.name}-moved"))

    assert "this folder was moved; making again: .venv\n" in call(moved, "make", "help").stdout
    assert not (moved / ".venv" / "pipeline.installed").exists()
    assert install(moved, ".venv", "lock.txt") == {"a"}
    assert f"'{moved}/.venv'" in (moved / ".venv" / "bin" / "activate").read_text()
    assert "moved" not in call(moved, "make", "help").stdout
