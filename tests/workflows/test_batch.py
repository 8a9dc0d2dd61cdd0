"""batch.yml, run as it is, with the real command and a version in Production.

One story, told in order.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline.conftest import make_clone
from tests.pipeline.small import commit, edit
from tests.unit import releases
from tests.unit.conftest import working_in
from tests.workflows import forge
from tests.workflows.forge import Forge

pytestmark = pytest.mark.long


@dataclass
class Story:
    """The repository, the customers of the day, and where their predictions go."""

    forge: Forge
    customers: pd.DataFrame
    folder: Path

    @property
    def run(self) -> dict:
        [found] = self.folder.glob("scored/day=*/_run.json")
        return json.loads(found.read_text())


@pytest.fixture(scope="module")
def story(
    customers: pd.DataFrame, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("released")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, working_in(folder, patch):
        releases.make(folder, customers).release(1)
    clone = make_clone(tmp_path_factory.mktemp("shop"))
    clone.git("remote", "add", "origin", "https://github.com/octo/shop")
    store = forge.make_store(tmp_path_factory.mktemp("forge") / "store")
    forge.make_real_environments(store / "environments", is_warm=True)
    forge.install_standins(clone)
    made = Forge(clone, store)
    made.secrets["MLFLOW_READER_URI"] = f"sqlite:///{folder}/mlflow.db"
    return Story(made, customers, folder)


def test_until_it_is_set_up_and_on_another_branch_nothing_is_predicted(story: Story) -> None:
    story.forge.origin.git("branch", "other", "main")
    assert story.forge.batch("workflow_dispatch", branch="other").jobs == {}
    ran = story.forge.batch()
    assert ran.jobs == {"predict": "succeeded"}, ran.log
    assert "batch.input is null: nothing to predict for" in ran.log


def test_customers_that_are_not_there_fail_the_run_and_it_says_so(story: Story) -> None:
    story.forge.origin.git("switch", "--quiet", "main")
    edit(story.forge.origin, {
        "batch.input": f"{story.folder}/customers.csv",
        "batch.output": f"{story.folder}/scored/day={{date}}",
    })  # fmt: skip
    commit(story.forge.origin, "where the customers are")
    ran = story.forge.batch()
    assert ran.jobs == {"predict": "failed"}, ran.log
    assert "Error: " in ran.log
    assert "customers.csv: cannot be read (not there)" in ran.log
    assert not (story.folder / "scored").exists()


def test_a_day_is_predicted_once_and_again_on_demand(story: Story) -> None:
    story.customers[:40].to_csv(story.folder / "customers.csv", index=False)
    ran = story.forge.batch()
    assert ran.jobs == {"predict": "succeeded"}, ran.log
    [scored] = story.folder.glob("scored/day=*/customers.csv")
    assert len(pd.read_csv(scored)) == 40
    first = scored.read_bytes()

    story.customers[:30].to_csv(story.folder / "customers.csv", index=False)
    ran = story.forge.batch("workflow_dispatch", overwrite=True)
    assert ran.jobs == {"predict": "succeeded"}, ran.log
    assert len(pd.read_csv(scored)) == 30
    assert scored.read_bytes() != first
