"""What the probe has found is believed for the same bytes, code and libraries only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import churn
from churn.model import artifact
from churn.provenance import machine
from churn.provenance.candidate import model_digest
from churn.serve import parity, served, verdict
from churn.serve.probe import require_loadable
from churn.serve.store import Loadable, Store
from tests.unit.serve.models import fitted


@pytest.fixture
def version(stored: Path) -> Loadable:
    return Loadable(version="1", digest=model_digest(stored))


@pytest.fixture
def store(stored: Path, version: Loadable, tmp_path: Path) -> Store:
    """Return a store in which a version was found to be equal to its reference."""
    store = Store(tmp_path / "served")
    store.add(version, stored, None)
    store.write_verdict(version, "")
    assert store.verdict(version) == ""
    verdict._surroundings.cache_clear()
    return store


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    yield
    verdict._surroundings.cache_clear()


def file(store: Store, version: Loadable, name: str) -> Path:
    return store.folder / "versions" / version.folder / name


def test_without_a_verdict_nothing_is_known(
    stored: Path, version: Loadable, tmp_path: Path
) -> None:
    store = Store(tmp_path / "served")
    store.add(version, stored, None)
    assert store.verdict(version) is None
    file(store, version, "verdict.json").write_text("{")
    assert store.verdict(version) is None


@pytest.mark.slow
def test_a_verdict_on_other_bytes_is_not_believed(
    store: Store, version: Loadable, customers: pd.DataFrame, tmp_path: Path
) -> None:
    card = file(store, version, "model/model.json")
    whole = card.read_text()
    card.write_text(whole.replace("0.4", "0.5"))
    assert store.verdict(version) is None
    card.write_text(whole)
    assert store.verdict(version) == ""
    # Nor that of another version, which was copied there.
    artifact.save(fitted(customers), tmp_path / "other")
    other = Loadable(version="2", digest=model_digest(tmp_path / "other"))
    store.add(other, tmp_path / "other", None)
    shutil.copy(file(store, version, "verdict.json"), file(store, other, "verdict.json"))
    assert store.verdict(other) is None


def test_a_verdict_on_other_customers_is_not_believed(store: Store, version: Loadable) -> None:
    file(store, version, "sample.json").write_text('{"columns": ["age"], "data": [[41]]}')
    assert store.verdict(version) is None


@pytest.mark.parametrize("name", ["numpy", "pandas", "scikit-learn", "scipy", "skops", "treelite"])
def test_a_verdict_with_another_library_is_not_believed(
    name: str, store: Store, version: Loadable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(asked: str) -> str:
        return "0.0.1" if asked == name else metadata.version(asked)

    monkeypatch.setattr(verdict, "version", other)
    assert store.verdict(version) is None


@pytest.mark.long
@pytest.mark.parametrize(
    "path", ["serve/compiled.py", "serve/parity.py", "model/features.py", "data/cells.py"]
)
def test_a_verdict_of_other_code_is_not_believed(
    path: str, store: Store, version: Loadable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(churn.__file__).parent, tmp_path / "churn")
    monkeypatch.setattr(churn, "__file__", str(tmp_path / "churn/__init__.py"))
    assert store.verdict(version) == ""  # the same code elsewhere
    verdict._surroundings.cache_clear()
    changed = tmp_path / "churn" / path
    changed.write_text(changed.read_text() + "\n")
    assert store.verdict(version) is None


@pytest.mark.parametrize("key", ["simd", "blas", "libc", "python", "processor", "system"])
def test_a_verdict_of_another_machine_is_not_believed(
    key: str, store: Store, version: Loadable, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = machine.describe()
    monkeypatch.setattr(machine, "describe", lambda: {**real, key: "another"})
    assert store.verdict(version) is None


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note each comparison with the reference."""
    found: list[object] = []
    real: Callable[..., str | None] = parity.difference

    def difference(*arguments: Any) -> str | None:
        found.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(parity, "difference", difference)
    return found


@pytest.mark.long
def test_what_is_known_is_not_compared_again(stored: Path, compared: list[object]) -> None:
    digest = model_digest(stored)
    known = served.load("1", stored, digest, None, 10, "")
    assert (known.why_not, compared) == ("", [])
    assert known.compiled is not None
    slow = served.load("1", stored, digest, None, 10, "another bit")
    assert (slow.compiled, slow.why_not, compared) == (None, "another bit", [])
    assert served.load("1", stored, digest, None, 10, None).compiled is not None
    assert len(compared) == 1


@pytest.mark.long
def test_the_probe_writes_what_it_has_found_and_it_comes_along(
    stored: Path, version: Loadable, tmp_path: Path
) -> None:
    aside, store = Store(tmp_path / "aside"), Store(tmp_path / "served")
    aside.add(version, stored, None)
    require_loadable(aside, version)
    store.adopt(aside, version)
    assert store.has(version)
    assert store.verdict(version) == ""
    found = json.loads(file(store, version, "verdict.json").read_text())
    assert set(found) == {"key", "why_not"}
