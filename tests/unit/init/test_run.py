"""Which tables main's model can be compared on: only others are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn.init import reading, run, table
from churn.init.asking import Asker
from churn.init.roles import Named
from churn.init.table import Wishes
from churn.provenance.git import git
from tests.unit.init.tables import shop
from tests.unit.repositories import commit, write

DATA = "data: {{id: {}, target: left, numeric: [{}], categorical: [country]}}\n"


@pytest.mark.parametrize(
    ("ids", "numeric", "can_be_compared"),
    [
        ("client", "orders, spent", True),
        ("client", "orders, land", True),  # it is there, and left out
        ("client", "orders, age", False),
        ("customer_id", "orders, spent", False),
        ("null", "orders, spent", False),
    ],
)
def test_a_table_with_the_columns_of_main_is_not_accepted_unseen(
    repository: Path, tmp_path: Path, ids: str, numeric: str, can_be_compared: bool
) -> None:
    write(repository, {"params.yaml": DATA.format(ids, numeric)})
    commit(repository)
    git(repository, "switch", "--quiet", "--create", "other")
    write(repository, {"params.yaml": "data: {}\n"})
    commit(repository)
    shop().assign(land="DE").to_csv(tmp_path / "shop.csv", index=False)
    raw = reading.read(tmp_path / "shop.csv")
    asker = Asker("shop.csv", True, can_ask=False)
    found = table.describe(raw, Wishes(Named(), (), (), {}), asker)
    assert run.has_columns_of_main(repository, found) is can_be_compared


def test_without_commits_a_table_is_another_one(tmp_path: Path) -> None:
    shop().to_csv(tmp_path / "shop.csv", index=False)
    raw = reading.read(tmp_path / "shop.csv")
    asker = Asker("shop.csv", True, can_ask=False)
    found = table.describe(raw, Wishes(Named(), (), (), {}), asker)
    assert run.has_columns_of_main(tmp_path, found) is False
