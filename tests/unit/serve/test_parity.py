"""What keeps a compiled model out that does not give the bits of its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import ArtifactError, CandidateError
from churn.core.params import Family
from churn.model import artifact
from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.serve import parity, served
from churn.serve.compiled import Compiled, CompileError, Numeric, compile_model
from churn.serve.parity import difference, hostile
from churn.serve.rows import Rows
from tests.binary import FAMILIES
from tests.unit.serve.models import fitted, same_bits

Answers = Callable[[np.ndarray, int], np.ndarray]


class Altered(Compiled):
    """A compiled model whose answers are changed, for how many customers they are."""

    def __init__(self, right: Compiled, change: Answers) -> None:
        object.__setattr__(self, "by_row", right.by_row)
        object.__setattr__(self, "_right", right)
        object.__setattr__(self, "_change", change)

    def scores(
        self, numbers: np.ndarray, categories: Mapping[str, Sequence[str | None]]
    ) -> np.ndarray:
        found = self._right.scores(numbers, categories)  # type: ignore[attr-defined]
        changed: np.ndarray = self._change(found.copy(), len(numbers))  # type: ignore[attr-defined]
        return changed


def next_float(found: np.ndarray, count: int) -> np.ndarray:
    return np.nextafter(found, 1.0)


def next_float_of_one(found: np.ndarray, count: int) -> np.ndarray:
    if count > 1:
        found[count // 3] = np.nextafter(found[count // 3], 0.0)
    return found


def next_float_alone(found: np.ndarray, count: int) -> np.ndarray:
    return np.nextafter(found, 1.0) if count == 1 else found


def shuffled(found: np.ndarray, count: int) -> np.ndarray:
    return found[::-1]


def nothing_is_known(found: np.ndarray, count: int) -> np.ndarray:
    return np.full_like(found, np.nan)


CHANGES: dict[Answers, str] = {
    next_float: "{n} of {n} rows differ",
    next_float_of_one: "1 of {n} rows differ",
    next_float_alone: "alone: 1 of 1 rows differ",
    shuffled: "rows differ",
    nothing_is_known: "{n} of {n} rows differ",
    lambda found, _: found.astype(np.float32): "float32 of shape ({n},), not float64 of ({n},)",
    lambda found, _: found[:, np.newaxis]: "float64 of shape ({n}, 1), not float64 of ({n},)",
    lambda found, _: found[1:]: "float64 of shape ({less},), not float64 of ({n},)",
}


@pytest.fixture(scope="module")
def rows(model: Model, planned: pd.DataFrame) -> Rows:
    return hostile(model, planned.head(2))


@pytest.fixture(scope="module")
def compiled(model: Model) -> Compiled:
    return compile_model(model)


def test_hostile_customers_have_each_number_missing_and_extreme(
    rows: Rows, model: Model, planned: pd.DataFrame
) -> None:
    usual = planned.head(2)[list(model.card.numeric)].to_numpy(dtype=float)
    extremes = (0.0, 1.0, -1.0, 0.5, 1e-45, 1e-300, 1e9, -1e9, 3.4e38, -3.4e38, np.nan)
    for place in range(usual.shape[1]):
        for cell in extremes:
            edge = usual.copy()
            edge[:, place] = cell
            for one in edge:
                same = (rows.numbers == one) | (np.isnan(rows.numbers) & np.isnan(one))
                assert same.all(axis=1).any(), (place, cell)
    assert (np.signbit(rows.numbers) & (rows.numbers == 0)).any(), "a negative zero"


def test_hostile_customers_are_typical_ones_first_and_one_of_whom_nothing_is_known(
    rows: Rows, model: Model, planned: pd.DataFrame
) -> None:
    usual = planned.head(2)[list(model.card.numeric)].to_numpy(dtype=float)
    np.testing.assert_array_equal(rows.numbers[:2], usual)
    assert np.isnan(rows.numbers).all(axis=1).any()


def test_random_customers_have_whole_numbers_and_fractions_and_missing_cells(rows: Rows) -> None:
    drawn = rows.numbers[-400:]
    known = drawn[~np.isnan(drawn)]
    assert 0.1 < np.isnan(drawn).mean() < 0.3
    assert 0.3 < (known == np.round(known)).mean() < 0.9
    assert len(np.unique(known)) > 500


def test_hostile_customers_have_all_categories_and_unseen_ones_and_none(rows: Rows) -> None:
    plans = set(rows.categories["plan"])
    assert plans > {"gold", "basic", "trial", "missing", "never seen before", "", None}


@pytest.mark.slow
def test_categories_do_not_go_together(dated: Model, rich: pd.DataFrame) -> None:
    found = hostile(dated, rich.head(1)).categories
    pairs = set(zip(found["plan"], found["channel"], strict=True))
    assert len(pairs) > 2 * len(set(found["plan"]))


def test_hostile_customers_are_the_same_each_time(
    rows: Rows, model: Model, planned: pd.DataFrame
) -> None:
    again = hostile(model, planned.head(2))
    assert same_bits(again.numbers, rows.numbers)
    assert again.categories == rows.categories


def test_customers_can_be_made_from_one_of_whom_nothing_is_known(model: Model) -> None:
    nobody = pd.DataFrame([dict.fromkeys(model.card.inputs)], dtype=object)
    assert len(hostile(model, nobody)) > 400


@pytest.mark.slow
def test_a_model_of_categories_alone_is_compared(rich: pd.DataFrame) -> None:
    alone = {"data__categorical": ["plan", "channel"], "data__numeric": []}
    none: dict[str, Any] = {"features__rfm": None, "features__ratios": []}
    model = fitted(
        rich, evaluation__slices__numeric=[], evaluation__slices__protected=[], **alone, **none
    )
    found = hostile(model, rich.head(2))
    assert found.numbers.shape[1] == 0
    assert difference(model, compile_model(model), found) is None


@pytest.mark.slow
def test_an_equal_model_is_accepted(model: Model, compiled: Compiled, rows: Rows) -> None:
    assert difference(model, compiled, rows) is None


@pytest.mark.parametrize(("change", "reason"), CHANGES.items(), ids=range(len(CHANGES)))
def test_a_model_that_differs_in_the_last_bit_is_not_accepted(
    change: Answers, reason: str, model: Model, compiled: Compiled, rows: Rows
) -> None:
    found = difference(model, Altered(compiled, change), rows)
    assert found is not None
    assert reason.format(n=len(rows), less=len(rows) - 1) in found


def test_the_reason_names_the_customer(model: Model, compiled: Compiled, rows: Rows) -> None:
    found = difference(model, Altered(compiled, next_float_of_one), rows)
    assert found is not None
    cells = rows.numbers[len(rows) // 3].tolist()
    assert str(dict(zip(model.card.numeric, cells, strict=True))) in found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "family"),
    # Not every small model asks for the scores.
    [*(("raw", family) for family in FAMILIES), ("rfm", "random_forest")],
)
def test_numbers_that_turn_a_tree_or_a_score_sooner_or_later_are_found(
    block: str, family: Family, planned: pd.DataFrame
) -> None:
    model = fitted(planned, family)
    rows = hostile(model, planned.head(2))
    blocks = [name for name, *_ in model.pipeline["features"].transformers_]
    for change in (lambda numbers: np.nextafter(numbers, np.inf), lambda x: np.nextafter(x, -1e9)):
        other = compile_model(model)
        changed = other._blocks[blocks.index(block)]
        assert isinstance(changed, Numeric)
        object.__setattr__(changed, "operations", (change, *changed.operations))
        assert difference(model, other, rows) is not None


def test_numbers_at_which_a_tree_turns_are_tried(rows: Rows, model: Model) -> None:
    [tree] = model.pipeline[-1]._predictors[0]
    places = {place for place in range(8) if place in tree.nodes["feature_idx"]}
    assert places
    for node in tree.nodes[tree.nodes["is_leaf"] == 0]:
        if node["feature_idx"] < len(model.card.numeric):
            tried = rows.numbers[:, node["feature_idx"]]
            for cell in (node["num_threshold"], np.nextafter(node["num_threshold"], np.inf)):
                assert cell in tried


@pytest.fixture
def load(stored: Path, planned: pd.DataFrame) -> Callable[[], served.Served]:
    return lambda: served.load("7", stored, model_digest(stored), planned.head(2), 10)


@pytest.mark.slow
def test_an_accepted_model_answers(load: Any, planned: pd.DataFrame, model: Model) -> None:
    found = load()
    assert (found.version, found.why_not) == ("7", "")
    assert found.compiled is not None and found.may_merge
    rows = found.questions.read_json(b'{"inputs": ' + _records(planned, model).encode() + b"}")
    assert same_bits(found.scores(rows), model.scores(planned.head(5)))


def _records(customers: pd.DataFrame, model: Model) -> str:
    return str(
        customers[list(model.card.inputs)].head(5).to_json(orient="records", double_precision=15)
    )


@pytest.mark.parametrize("change", [next_float, next_float_of_one, next_float_alone])
def test_the_reference_answers_where_the_compiled_model_differs(
    change: Answers,
    load: Any,
    model: Model,
    planned: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        served, "compile_model", lambda model: Altered(compile_model(model), change)
    )
    found = load()
    assert found.compiled is None and not found.may_merge
    assert "differ" in found.why_not
    rows = parity.from_frame(model, planned.head(30))
    assert same_bits(found.scores(rows), model.scores(planned.head(30)))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (CompileError("no array operation for X"), "no array operation for X"),
        (ValueError("other columns"), "ValueError: other columns"),
    ],
)
@pytest.mark.parametrize("when", ["compiling", "predicting"])
def test_the_reference_answers_where_compiling_fails(
    when: str, error: Exception, why: str, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    if when == "compiling":
        monkeypatch.setattr(served, "compile_model", fail)
    else:
        monkeypatch.setattr(
            served, "compile_model", lambda model: Altered(compile_model(model), fail)
        )
    found = load()
    assert found.compiled is None
    assert found.why_not == why


@pytest.mark.slow
def test_the_reference_answers_for_a_loss_that_is_compiled_wrongly(
    rich: pd.DataFrame, tmp_path: Path
) -> None:
    model = fitted(rich, "gradient_boosting", {"n_estimators": 5, "loss": "exponential"})
    artifact.save(model, tmp_path / "model")
    found = served.load("1", tmp_path / "model", model_digest(tmp_path / "model"), None, 10)
    assert found.compiled is None or found.why_not == ""
    rows = parity.from_frame(model, rich)
    assert same_bits(found.scores(rows), model.scores(rich))


def test_other_bytes_than_those_that_are_to_be_served_are_refused(
    stored: Path, tmp_path: Path
) -> None:
    with pytest.raises(CandidateError, match=f"its model is {model_digest(stored)[:12]}, and 0000"):
        served.load("1", stored, "0" * 64, None, 10)
    with pytest.raises(ArtifactError, match="no model there"):
        served.load("1", tmp_path, "0" * 64, None, 10)


def test_a_model_that_cannot_answer_is_not_served(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("broken")

    monkeypatch.setattr(served, "_compile", lambda *_: (None, "not compiled"))
    monkeypatch.setattr(served.Served, "scores", fail)
    with pytest.raises(ValueError, match="broken"):
        load()
