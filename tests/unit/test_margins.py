"""What a table can tell, beside each margin."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from churn.core import params
from churn.core.paths import Workspace
from churn.stages import margins
from churn.stages.margins import MarginCheck
from tests.unit.releases import Candidates


@pytest.fixture
def root(candidates: Candidates) -> Path:
    """Return a folder in which the pipeline has run."""
    return candidates.roots[0]


def shown(root: Path, write: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120)
    margins.run(root, write, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def lines(root: Path) -> dict[str, MarginCheck]:
    settings = params.load(Workspace(root).params)
    return {line.metric: line for line in margins.measure(Workspace(root), settings)}


@pytest.mark.slow
def test_a_margin_that_the_table_supports_is_left_alone(root: Path) -> None:
    before = (root / "params.yaml").read_bytes()
    line = lines(root)["roc_auc"]
    assert line.margin == 0.2
    assert 0 < line.sensitivity.noticed < line.sensitivity.supported <= line.supported < 0.2
    text = shown(root, write=True)
    assert "600 customers" in text
    assert "too small" not in text
    assert (root / "params.yaml").read_bytes() == before


@pytest.mark.slow
def test_a_margin_that_is_too_small_is_named_and_widened(root: Path) -> None:
    file = root / "params.yaml"
    file.write_text(file.read_text().replace("roc_auc: 0.2", "roc_auc: 0.001"))
    supported = lines(root)["roc_auc"].supported
    text = shown(root)
    assert "gates.margins.roc_auc: 0.001 is too small for this table" in text
    assert f"this table supports {supported:g}" in text
    assert "1 of 1 margins are wider now" in shown(root, write=True)
    assert params.load(file).gates.margins == {"roc_auc": supported}
    assert "too small" not in shown(root)


def test_no_more_customers_are_compared_than_churn_compare_does(root: Path) -> None:
    file = root / "params.yaml"
    file.write_text(
        file.read_text().replace("max_rows: 100000\n  resamples", "max_rows: 300\n  resamples")
    )
    settings = params.load(file, {"comparison.max_rows": 300})
    rows, said = margins.unseen(Workspace(root), settings)
    assert len(rows) == len(said)
    assert 220 < len(rows) < 380


@pytest.mark.slow
def test_the_first_of_several_rivals_is_the_only_one_of_one(root: Path) -> None:
    settings = params.load(Workspace(root).params)
    [one] = margins.measure(Workspace(root), settings, rivals=1)
    [several] = margins.measure(Workspace(root), settings)
    assert several.of_rivals(1) == one != several
    assert len(several.half_widths) == 5


@pytest.mark.parametrize(
    ("half_width", "supported"), [(0.0, 0.0), (0.0031, 0.0052), (0.031, 0.052)]
)
def test_a_supported_margin_is_rounded_up(half_width: float, supported: float) -> None:
    assert MarginCheck("roc_auc", 0.01, (half_width,), rows=100).supported == supported
