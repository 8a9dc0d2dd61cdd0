"""Boosted trees for many customers at once: a comparison is one bit per customer.

A tree of depth d asks d questions, and their answers are the number of a leaf. Here each comparison
of the model is made once for all customers and packed, eight customers to a byte; the path to the
leaf is found by logic on these bytes. That is the idea of QuickScorer (Lucchese et al., SIGIR 2015)
for arrays. The leaves are then added up in the order of the trees, from the start on, so that the
sum has the bits of scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAX_DEPTH = 6  # of a tree; there are up to 2 ** depth comparisons in it
_ROWS = 65_536  # are compared at once: their bits fit into the processor's cache

Bits = np.ndarray | None  # None: 0 for every customer


@dataclass(frozen=True)
class _Split:
    """A comparison, by its position, and what follows if it holds or not; None for a leaf."""

    test: int
    left: _Split | None
    right: _Split | None


@dataclass(frozen=True)
class _Tree:
    """A tree with the leaves' values by path: bit d is the answer at depth d."""

    root: _Split | None
    depth: int
    values: np.ndarray


@dataclass(frozen=True)
class Trees:
    """Trees as comparisons.

    Attributes
    ----------
    tests : tuple of (int, float, bool)
        Feature, threshold, and whether a missing value goes to the left.
    trees : tuple of _Tree
    """

    tests: tuple[tuple[int, float, bool], ...]
    trees: tuple[_Tree, ...]

    def summed(self, features: np.ndarray, start: float) -> np.ndarray:
        """Add up the trees' values.

        Parameters
        ----------
        features : ndarray of float64, shape (n_customers, n_features)
        start : float
            What is there before the first tree.

        Returns
        -------
        ndarray of float64, shape (n_customers,)
        """
        total = np.full(len(features), start)
        for first in range(0, len(features), _ROWS):
            part = slice(first, first + _ROWS)
            self._add(np.ascontiguousarray(features[part].T), total[part])
        return total

    def _add(self, columns: np.ndarray, total: np.ndarray) -> None:
        answers = [np.packbits(_answer(columns[f], at, left)) for f, at, left in self.tests]
        value = np.empty(len(total))
        for tree in self.trees:
            path = _path(tree.root, tree.depth, answers)
            leaf = np.zeros(len(total), dtype=np.uint8)
            for bits in reversed(path):
                leaf += leaf  # a shift, which NumPy does at a tenth of the speed
                if bits is not None:
                    leaf |= np.unpackbits(bits, count=len(total))
            tree.values.take(leaf, out=value, mode="clip")
            total += value


def _answer(column: np.ndarray, threshold: float, missing_left: bool) -> np.ndarray:
    """Tell who goes to the left."""
    found: np.ndarray = ~(column > threshold) if missing_left else column <= threshold
    return found


def _path(split: _Split | None, depth: int, answers: Sequence[np.ndarray]) -> list[Bits]:
    """Return the answers on each customer's way through a tree, by depth."""
    if split is None:
        return [None] * depth
    left, right = _path(split.left, depth - 1, answers), _path(split.right, depth - 1, answers)
    test = answers[split.test]
    return [test, *(_either(test, a, b) for a, b in zip(left, right, strict=True))]


def _either(test: np.ndarray, left: Bits, right: Bits) -> Bits:
    """Return the bit of the left where the test holds, else that of the right."""
    if left is None and right is None:
        return None
    if left is None:
        return ~test & right
    if right is None:
        return test & left
    found: np.ndarray = right ^ ((left ^ right) & test)
    return found


@dataclass(frozen=True)
class _Plain:
    """A fitted tree of any family; a leaf has no left node."""

    feature: Sequence[int]
    threshold: Sequence[float]
    missing_left: Sequence[bool]
    left: Sequence[int]
    right: Sequence[int]
    is_leaf: Sequence[bool]
    value: np.ndarray


def compile_trees(classifier: Any) -> Trees | None:
    """Compile the trees of a boosted classifier; None if one is too deep for this to be faster."""
    numbers: dict[tuple[int, float, bool], int] = {}
    trees = []
    for plain in _plain(classifier):
        depth = _depth(plain, 0)
        if depth > _MAX_DEPTH:
            return None
        values = np.zeros(2**depth)
        root = _compiled(plain, 0, 0, 0, values, numbers)
        trees.append(_Tree(root, depth, values))
    return Trees(tuple(numbers), tuple(trees))


def _plain(classifier: Any) -> Iterator[_Plain]:
    if hasattr(classifier, "_predictors"):  # hist_gradient_boosting
        for [tree] in classifier._predictors:
            nodes = tree.nodes
            yield _Plain(
                nodes["feature_idx"].tolist(),
                nodes["num_threshold"].tolist(),
                nodes["missing_go_to_left"].astype(bool).tolist(),
                nodes["left"].tolist(),
                nodes["right"].tolist(),
                nodes["is_leaf"].astype(bool).tolist(),
                nodes["value"],
            )
        return
    for [fitted] in classifier.estimators_:
        tree = fitted.tree_
        yield _Plain(
            tree.feature.tolist(),
            tree.threshold.tolist(),
            tree.missing_go_to_left.astype(bool).tolist(),
            tree.children_left.tolist(),
            tree.children_right.tolist(),
            (tree.children_left < 0).tolist(),
            classifier.learning_rate * tree.value[:, 0, 0],
        )


def _depth(tree: _Plain, node: int) -> int:
    if tree.is_leaf[node]:
        return 0
    return 1 + max(_depth(tree, tree.left[node]), _depth(tree, tree.right[node]))


def _compiled(
    tree: _Plain,
    node: int,
    depth: int,
    path: int,
    values: np.ndarray,
    numbers: dict[tuple[int, float, bool], int],
) -> _Split | None:
    """Compile what is below a node; put its leaves' values where their paths lead."""
    if tree.is_leaf[node]:
        values[path] = tree.value[node]
        return None
    test = (tree.feature[node], tree.threshold[node], tree.missing_left[node])
    return _Split(
        numbers.setdefault(test, len(numbers)),
        _compiled(tree, tree.left[node], depth + 1, path | 1 << depth, values, numbers),
        _compiled(tree, tree.right[node], depth + 1, path, values, numbers),
    )
