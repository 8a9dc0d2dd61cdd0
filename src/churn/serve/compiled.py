"""A model as operations on plain arrays: the same bits as its scikit-learn pipeline, far sooner.

scikit-learn spends most of a request on validation and DataFrames. A compiled model does the same
arithmetic in the same order on arrays. It is made from the fitted pipeline when a model is loaded,
and it is used only where `churn.serve.parity` finds its answers equal, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import treelite
from scipy.special import expit
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.extmath import softmax

from churn.core.errors import ChurnError
from churn.model.artifact import Model
from churn.serve.bits import compile_trees
from churn.serve.trees import Trees

Operation = Callable[[np.ndarray], np.ndarray]
_CHUNK = 4096  # rows whose answers of all trees are held at once
_FEW = 64  # rows
_MANY = 2048  # rows, for which comparisons as bits are faster


class CompileError(ChurnError):
    """The model has a part for which there is no array operation."""


@dataclass(frozen=True)
class Numeric:
    """A block of features from columns of numbers.

    Attributes
    ----------
    places : ndarray of int
        Positions of the columns among the model's numbers.
    operations : tuple of callable
        Each takes and returns an array of float64, shape (n_customers, n_columns).
    """

    places: np.ndarray
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Category:
    """A block of features from a column of categories.

    Attributes
    ----------
    name : str
        The column.
    rows : dict
        The features of each known category, and of a missing one (None).
    unseen : ndarray
        The features of any other.
    """

    name: str
    rows: Mapping[str | None, np.ndarray]
    unseen: np.ndarray


@dataclass(frozen=True)
class Compiled:
    """A compiled model.

    Attributes
    ----------
    by_row : bool
        Whether a customer's bits are the same whoever else is predicted with it. Linear algebra
        adds up in another order for another number of rows.
    """

    by_row: bool
    _blocks: tuple[Numeric | Category, ...]
    _estimate: Operation

    def scores(
        self, numbers: np.ndarray, categories: Mapping[str, Sequence[str | None]]
    ) -> np.ndarray:
        """Predict, as `churn.model.artifact.Model.scores`.

        Parameters
        ----------
        numbers : ndarray of float64, shape (n_customers, n_numbers)
            The card's numeric columns and its dates, in days since 1970; NaN where missing.
        categories : mapping of str to sequence of str or None
            The card's categories by column; None where missing.

        Returns
        -------
        ndarray of float64, shape (n_customers,) or (n_customers, n_classes)
        """
        blocks = [
            _of_category(block, categories[block.name])
            if isinstance(block, Category)
            else _of_numbers(block, numbers)
            for block in self._blocks
        ]
        by_column = self.by_row and len(numbers) >= _MANY
        return self._estimate(_beside(blocks) if by_column else np.concatenate(blocks, axis=1))


def compile_model(model: Model) -> Compiled:
    """Compile a model.

    Raises
    ------
    CompileError
        If its pipeline has a step, or its classifier is of a kind, that is not known here.
    """
    card, pipeline = model.card, model.pipeline
    numbers = (*card.numeric, *card.dates)
    blocks: list[Numeric | Category] = []
    for _, branch, columns in pipeline["features"].transformers_:
        if isinstance(branch, str):  # "drop", of no column
            continue
        if any(name in card.categorical for name in columns):
            blocks += _categories(branch, columns)
        else:
            places = np.array([numbers.index(name) for name in columns])
            blocks.append(Numeric(places, tuple(_operation(step) for step in _steps(branch))))
    after = [_operation(step) for name, step in pipeline.steps[1:-1] if name]
    by_row = not isinstance(pipeline[-1], LogisticRegression | Ridge)
    return Compiled(by_row, tuple(blocks), _chain(*after, _estimator(pipeline[-1])))


def _of_numbers(block: Numeric, numbers: np.ndarray) -> np.ndarray:
    found = numbers[:, block.places]
    for operation in block.operations:
        found = operation(found)
    return found


def _of_category(block: Category, cells: Sequence[str | None]) -> np.ndarray:
    return np.array([block.rows.get(cell, block.unseen) for cell in cells])


def _beside(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Put blocks side by side, with each column in one piece: trees compare whole columns."""
    widths = [block.shape[1] for block in blocks]
    found = np.empty((len(blocks[0]), sum(widths)), order="F")
    for block, end, width in zip(blocks, np.cumsum(widths), widths, strict=True):
        found[:, end - width : end] = block
    return found


def _chain(*operations: Operation) -> Operation:
    def run(features: np.ndarray) -> np.ndarray:
        for operation in operations:
            features = operation(features)
        return features

    return run


def _steps(branch: Any) -> list[Any]:
    return [step for _, step in branch.steps] if isinstance(branch, Pipeline) else [branch]


def _operation(step: Any) -> Operation:
    """Return what a fitted transformer of numbers does."""
    if hasattr(step, "compute"):  # ours
        compute: Operation = step.compute
        return compute
    if isinstance(step, SimpleImputer):
        return _imputing(step.statistics_)
    if isinstance(step, StandardScaler):
        mean, scale = step.mean_, step.scale_
        return lambda numbers: (numbers - mean) / scale
    raise CompileError(f"no array operation for {type(step).__name__}")


def _imputing(values: np.ndarray) -> Operation:
    def impute(numbers: np.ndarray) -> np.ndarray:
        missing = np.isnan(numbers)
        return np.where(missing, values, numbers) if missing.any() else numbers

    return impute


def _categories(branch: Any, columns: Sequence[str]) -> list[Category]:
    """Ask the fitted encoder once for each category that it knows, and for one that it does not."""
    imputer, encoder = _steps(branch)
    if not isinstance(encoder, OneHotEncoder):
        raise CompileError(f"no array operation for {type(encoder).__name__}")
    found = []
    # Without columns in which every cell was missing: scikit-learn leaves them out.
    columns = imputer.get_feature_names_out(columns)
    for place, (name, known) in enumerate(zip(columns, encoder.categories_, strict=True)):
        unseen = "\x00".join(["", *map(str, known)])  # longer than any of them
        asked = [*known, unseen]
        cells = np.full((len(asked), len(columns)), unseen, dtype=object)
        cells[:, place] = asked
        width = [len(part) for part in _widths(encoder)]
        start = sum(width[:place])
        rows = encoder.transform(cells)[:, start : start + width[place]]
        by_category: dict[str | None, np.ndarray] = dict(zip(known, rows[:-1], strict=True))
        by_category[None] = by_category.get(imputer.fill_value, rows[-1])
        found.append(Category(name, by_category, rows[-1]))
    return found


def _widths(encoder: OneHotEncoder) -> list[np.ndarray]:
    """Return the output columns of each input column of an encoder."""
    names = encoder.get_feature_names_out([f"{i}:" for i in range(encoder.n_features_in_)])
    starts = [f"{i}:_" for i in range(encoder.n_features_in_)]
    return [np.array([n for n in names if n.startswith(start)]) for start in starts]


def _estimator(estimator: Any) -> Operation:
    """Return what gives the scores: the probability of churn, of each class, or a number."""
    if len(getattr(estimator, "classes_", ())) > 2:
        return _of_classes(estimator)
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        start = estimator._baseline_prediction.ravel()
        return _boosted(estimator, start, np.float64)
    if isinstance(estimator, GradientBoostingClassifier | GradientBoostingRegressor):
        start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_))).ravel()
        return _boosted(estimator, start, np.float32)
    if isinstance(estimator, RandomForestClassifier | RandomForestRegressor):
        return _forest(estimator)
    if isinstance(estimator, LogisticRegression):
        weights, start = estimator.coef_.T, estimator.intercept_
        return lambda features: expit((features @ weights + start).ravel())
    if isinstance(estimator, Ridge):
        weights, start = estimator.coef_.T, estimator.intercept_
        return lambda features: features @ weights + start
    raise CompileError(f"no array operation for {type(estimator).__name__}")


def _of_classes(estimator: Any) -> Operation:
    """Return what gives the probability of each of several classes."""
    if isinstance(estimator, HistGradientBoostingClassifier):
        start, kind, order = estimator._baseline_prediction.ravel(), np.float64, "F"
        return _boosted_classes(estimator, start, kind, order)
    if isinstance(estimator, GradientBoostingClassifier):
        start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_))).ravel()
        return _boosted_classes(estimator, start, np.float32, "C")
    if isinstance(estimator, RandomForestClassifier):
        return _forest_of_classes(estimator)
    if isinstance(estimator, LogisticRegression) and estimator.solver != "liblinear":
        weights, start = estimator.coef_.T, estimator.intercept_
        return lambda features: softmax(features @ weights + start)
    raise CompileError(f"no array operation for several classes of {type(estimator).__name__}")


def _boosted_classes(estimator: Any, start: np.ndarray, kind: type, order: str) -> Operation:
    """Return the probabilities by the sums of each class's trees, laid out as scikit-learn does."""
    per_tree = _per_tree(estimator, kind)

    def scores(features: np.ndarray) -> np.ndarray:
        trees = per_tree(features)
        raw = np.empty((len(features), len(start)), order=order)  # type: ignore[call-overload]
        for place, first in enumerate(start):
            raw[:, place] = _summed(trees[:, place :: len(start)].copy(), first)
        found: np.ndarray = estimator._loss.predict_proba(raw)
        return found

    return _in_chunks(scores)


def _forest_of_classes(estimator: RandomForestClassifier) -> Operation:
    """Return the mean of the trees' shares of customers of each class."""
    trees = Trees(treelite.sklearn.import_model(estimator), leaves=True)
    shares = [tree.tree_.value[:, 0, :] for tree in estimator.estimators_]
    starts = np.cumsum([0, *map(len, shares[:-1])])
    of_leaf = np.concatenate(shares)

    def scores(features: np.ndarray) -> np.ndarray:
        leaves = trees.predict(_cast(features, np.float32)).astype(np.int64) + starts
        total = np.zeros((len(features), of_leaf.shape[1]))
        for column in leaves.T:
            total += of_leaf[column]
        return total / len(shares)

    return _in_chunks(scores)


def _link(estimator: Any) -> Operation:
    """Return what makes a score of the sum of the trees."""
    if hasattr(estimator, "classes_"):
        return lambda raw: expit(raw)
    loss = estimator.loss
    if loss in ("poisson", "gamma"):
        return lambda raw: np.exp(raw)
    return lambda raw: raw


def _boosted(estimator: Any, start: np.ndarray, kind: type) -> Operation:
    """Return the sum of the trees from the start on, in their order, as scikit-learn sums."""
    per_tree, link = _per_tree(estimator, kind), _link(estimator)
    bits = compile_trees(estimator)

    def scores(features: np.ndarray) -> np.ndarray:
        return link(_summed(per_tree(features), start[0]))

    few = _in_chunks(scores)
    if bits is None:
        return few

    def run(features: np.ndarray) -> np.ndarray:
        if len(features) < _MANY:
            return few(features)
        return link(bits.summed(_cast(features, kind), start[0]))

    return run


def _forest(estimator: RandomForestClassifier | RandomForestRegressor) -> Operation:
    """Return the mean of the trees' shares of customers who churned, or of their numbers."""
    per_tree = _per_tree(estimator, np.float32)

    def scores(features: np.ndarray) -> np.ndarray:
        trees = per_tree(features).reshape(len(features), estimator.n_estimators, -1)[:, :, -1]
        found: np.ndarray = _summed(trees, 0.0) / estimator.n_estimators
        return found

    return _in_chunks(scores)


def _summed(trees: np.ndarray, start: float) -> np.ndarray:
    """Add up the answers of the trees in their order; sum() adds in pairs, to other bits.

    The answers themselves are not kept.
    """
    if len(trees) <= _FEW:  # few calls, where each takes longer than what it computes
        trees[:, 0] += start
        found: np.ndarray = trees.cumsum(axis=1)[:, -1]
        return found
    total = np.full(len(trees), start)
    for tree in trees.T:
        total += tree
    return total


def _per_tree(estimator: Any, kind: type) -> Operation:
    trees = Trees(treelite.sklearn.import_model(estimator))
    if kind is np.float64:
        return trees.predict
    return lambda features: trees.predict(_cast(features, kind))


def _cast(features: np.ndarray, kind: type) -> np.ndarray:
    # scikit-learn compares the features of some families as float32; thresholds are float64.
    return features.astype(kind, copy=False).astype(np.float64, copy=False)


def _in_chunks(operation: Operation) -> Operation:
    """Bound the memory that the answers of all trees take."""

    def run(features: np.ndarray) -> np.ndarray:
        if len(features) <= _CHUNK:
            return operation(features)
        parts = range(0, len(features), _CHUNK)
        return np.concatenate([operation(features[i : i + _CHUNK]) for i in parts])

    return run
