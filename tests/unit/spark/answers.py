"""What Spark has to answer: the bits of scikit-learn in the pipeline's own environment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from churn.model.artifact import Model


def bits(column: pd.Series) -> list[int]:
    """Return probabilities as whole numbers, so that no digit is lost in comparing them."""
    return np.asarray(column, dtype=np.float64).view(np.int64).tolist()


def expected(model: Model, customers: pd.DataFrame) -> pd.DataFrame:
    """Return the answers of this machine's scikit-learn, by id."""
    answers = pd.concat([customers[["customer_id"]], model.predict(customers)], axis=1)
    return answers.set_index("customer_id").sort_index()


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Compare predictions with those that are expected."""
    by_id = found.set_index("customer_id").sort_index()
    assert by_id.index.tolist() == wanted.index.tolist()
    assert bits(by_id["probability"]) == bits(wanted["probability"])
    assert by_id["prediction"].tolist() == wanted["prediction"].tolist()


def read_csvs(folder: Path) -> pd.DataFrame:
    """Read a folder of CSV files, to the last digit."""
    files = sorted(folder.rglob("part-*.csv"))
    return pd.concat([pd.read_csv(path, converters={"probability": float}) for path in files])


def parts(customers: pd.DataFrame, count: int) -> list[pd.DataFrame]:
    """Cut a table."""
    size = -(-len(customers) // count)
    return [customers.iloc[i : i + size] for i in range(0, len(customers), size)]


def by_day(customers: pd.DataFrame, folder: Path) -> None:
    """Write a folder as Spark does: two days, two files each."""
    for number, part in enumerate(parts(customers, 4)):
        file = folder / f"shop.day=0{number // 2 + 1}" / f"part-{number}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(file, index=False)
    (folder / "_SUCCESS").touch()
