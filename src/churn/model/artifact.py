"""Store and load a model: skops instead of pickle, and equal bytes for equal models."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from churn.core.errors import ArtifactError, DataError
from churn.data import cells, dates
from churn.model import outputs
from churn.model.card import CARD_FILE, ModelCard
from churn.model.outputs import Output

PIPELINE_FILE = "pipeline.skops"
# All types that a stored model may contain, beside those of scikit-learn that skops trusts.
TRUSTED_TYPES = [
    "churn.model.features.DaysBeforeNewest",
    "churn.model.features.RatioFeatures",
    "churn.model.features.RfmScores",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date in zip files


@dataclass(frozen=True)
class Model:
    """A fitted pipeline with its card."""

    pipeline: Pipeline
    card: ModelCard

    @property
    def output(self) -> Output:
        """What the model answers."""
        return outputs.of_card(self.card)

    def scores(self, customers: pd.DataFrame) -> np.ndarray:
        """Predict the probability of churn, a number, or the probability of each class.

        Parameters
        ----------
        customers : DataFrame, shape (n_customers, n_columns)
            Raw columns in any order; other columns are ignored.

        Returns
        -------
        ndarray of float64, shape (n_customers,) or (n_customers, n_classes)
            Probabilities are in [0, 1].

        Raises
        ------
        DataError
            If there are no rows, a column is missing, or a cell does not fit its column.
        """
        X = self.inputs(customers)
        return self.output.score(self.pipeline, X)

    def inputs(self, customers: pd.DataFrame) -> pd.DataFrame:
        """Convert raw columns to what the pipeline takes.

        Parameters
        ----------
        customers : DataFrame, shape (n_customers, n_columns)
            As for `scores`.

        Returns
        -------
        DataFrame, shape (n_customers, n_inputs)
            Numbers and dates, in days since 1970, as float64; categories as text.

        Raises
        ------
        DataError
            As for `scores`.
        """
        if len(customers) == 0:
            raise DataError("no customers to predict for")
        for name in self.card.inputs:
            if name not in customers:
                raise DataError(f"the model needs the column {name!r}, which is missing")
        return pd.DataFrame({name: self._converted(customers[name]) for name in self.card.inputs})

    def _converted(self, column: pd.Series) -> pd.Series:
        """Convert cells as in training, whatever their type is."""
        if column.name in self.card.categorical:
            return cells.texts(column, self.card.missing)
        try:
            if column.name in self.card.dates:
                return dates.days(dates.timestamps(column, self.card.missing))
            return cells.numbers(column, self.card.missing)
        except cells.CellError as error:
            raise DataError(f"column {column.name!r} holds {error}") from error

    def unseen(self, customers: pd.DataFrame) -> dict[str, dict[str, int]]:
        """Count the categories that the training rows did not have.

        Returns
        -------
        dict of str to dict of str to int
            The number of customers for each such category, by column; most frequent first.
        """
        if not self.card.categorical:
            return {}
        try:
            imputer, encoder = self.pipeline["features"].named_transformers_["category"][-2:]
            # Without columns in which every cell was missing: scikit-learn leaves them out.
            kept = imputer.get_feature_names_out(self.card.categorical)
            known = dict(zip(map(str, kept), encoder.categories_, strict=True))
        except (
            KeyError,
            AttributeError,
            TypeError,
            ValueError,
        ):  # a pipeline that `estimator.build` has not built
            return {}
        found = {}
        for name, seen in known.items():
            categories = self._converted(customers[name]).dropna()
            if len(counts := categories[~categories.isin(seen)].value_counts()):
                found[name] = {str(category): int(count) for category, count in counts.items()}
        return found

    def predict(self, customers: pd.DataFrame) -> pd.DataFrame:
        """Predict the answer.

        Returns
        -------
        DataFrame, shape (n_customers, n_columns)
            Binary: ``probability`` in [0, 1], and ``prediction``: 1 at the threshold and above,
            else 0. Regression: ``prediction``, and its interval from ``lower`` to ``upper``.
            Multiclass: ``prediction``, a class, and the probability of each.
        """
        answer = self.output.answer(self.scores(customers), self.card.rule)
        return pd.DataFrame(answer, index=customers.index)


def save(model: Model, folder: Path) -> None:
    """Write a model to a new folder; equal models give equal bytes.

    Parameters
    ----------
    model : Model
    folder : Path
        Must not exist.

    Raises
    ------
    ArtifactError
        If skops cannot store the pipeline, or `load` would reject it.
    """
    stored = _dumped(model.pipeline)
    folder.mkdir()
    (folder / PIPELINE_FILE).write_bytes(stored)
    # Without what is not set: a model that is trained on all rows has the digest that it had.
    card = model.card.model_dump_json(indent=2, exclude_none=True)
    (folder / CARD_FILE).write_text(card + "\n", encoding="utf-8")


def _dumped(pipeline: Pipeline) -> bytes:
    try:
        stored = skops.io.dumps(pipeline)
    except Exception as error:  # skops raises many types, RecursionError among them
        raise ArtifactError(f"cannot be stored ({type(error).__name__}: {error})") from error
    unknown = set(skops.io.get_untrusted_types(data=stored)) - set(TRUSTED_TYPES)
    if unknown:
        raise ArtifactError(f"could not be loaded again (it holds {', '.join(sorted(unknown))})")
    return _canonical(stored)


def card_of(folder: Path) -> ModelCard:
    """Read what goes with a model, sooner than the model is loaded.

    Raises
    ------
    ArtifactError
        If the folder is not a model, or is damaged.
    """
    try:
        return ModelCard.model_validate_json((folder / CARD_FILE).read_bytes())
    except (OSError, ValueError):
        return load(folder).card  # says what is wrong


def load(folder: Path) -> Model:
    """Load a model; only types that skops or `TRUSTED_TYPES` list are instantiated.

    Raises
    ------
    ArtifactError
        If the folder is not a model, is damaged, or has a file that `save` does not write or a
        type that is not listed.
    """
    try:
        card = ModelCard.model_validate_json((folder / CARD_FILE).read_bytes())
        pipeline = skops.io.load(folder / PIPELINE_FILE, trusted=TRUSTED_TYPES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"{folder}: no model there ({Path(error.filename).name} is missing);"
            " `churn train` writes build/model"
        ) from error
    except UntrustedTypesFoundException as error:
        raise ArtifactError(f"{folder}: refused: {str(error).splitlines()[0]}") from error
    except Exception as error:  # zipfile, zlib, NumPy and skops raise different types
        raise ArtifactError(f"{folder}: damaged ({error}); train it again") from error
    if others := {path.name for path in folder.iterdir()} - {PIPELINE_FILE, CARD_FILE}:
        raise ArtifactError(f"{folder}: {min(others)} is not part of a model; remove it")
    _require_churn_model(pipeline, card, folder)
    return Model(pipeline, card)


def _require_churn_model(pipeline: Any, card: ModelCard, folder: Path) -> None:
    """Reject a model that skops can load, but that this project has not stored."""
    if not hasattr(pipeline, "predict" if card.task == "regression" else "predict_proba"):
        what = "number" if card.task == "regression" else "probabilities"
        raise ArtifactError(
            f"{folder}: not a churn model (its {type(pipeline).__name__} predicts no {what}); train"
            " it again"
        )
    takes = [str(name) for name in getattr(pipeline, "feature_names_in_", [])]
    if takes != list(card.inputs):
        raise ArtifactError(
            f"{folder}: {PIPELINE_FILE} does not take the columns of {CARD_FILE}; train it again"
        )


def _canonical(stored: bytes) -> bytes:
    """Rewrite a skops archive so that it does not depend on memory addresses or the clock.

    skops names objects and files by `id()`, and zip files contain times. Here objects are numbered
    in the order in which the schema mentions them, and all times are equal.
    """
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files.pop("schema.json"))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, numbers, names)
    content = {"schema.json": json.dumps(schema).encode()}
    content |= {fresh: files[name] for name, fresh in names.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, value)
    return buffer.getvalue()


def _renumber(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Replace, in place, every object's id and every file's name by its order of appearance."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, names)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if isinstance(node.get("file"), str):
            suffix = Path(node["file"]).suffix
            node["file"] = names.setdefault(node["file"], f"{len(names)}{suffix}")
        for value in node.values():
            _renumber(value, numbers, names)
