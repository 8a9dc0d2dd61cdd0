"""What goes with a fitted pipeline; apart from what loads one, which takes a second to import."""

from __future__ import annotations

from churn.core.params import Columns, CsvParams

CARD_FILE = "model.json"


class ModelCard(Columns):
    """What goes with the pipeline.

    Its columns, what it makes of them, its threshold, and the split that says which customers it
    was not trained on (`churn.data.split.is_test`).
    """

    family: str
    threshold: float
    strategy: str
    id: str
    target: str
    features: tuple[str, ...]
    test_share: float
    salt: str
    train_max_rows: int | None = None  # of the training rows, if that is a sample
    missing: tuple[str, ...] = ()
    csv: CsvParams = CsvParams()
