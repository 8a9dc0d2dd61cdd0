"""The same rows and parameters give the same bytes, whatever the machine's threads and hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from churn.core.params import Family
from churn.data.synthesize import write
from churn.provenance.candidate import model_digest
from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow

_TRAIN = """
import sys
from pathlib import Path
from churn.core import params
from churn.core.paths import Workspace
from churn.stages import prepare, train
workspace = Workspace(Path(sys.argv[1]))
hyperparameters = {"max_iter": 20} if "logistic" in sys.argv[3] or "hist" in sys.argv[3] else {
    "n_estimators": 10}
settings = params.load(Path(sys.argv[2]), {
    "model.family": sys.argv[3], "model.hyperparameters": hyperparameters})
prepare.write(workspace, settings, workspace.root / "customers.csv")
train.write(workspace, settings)
"""


@pytest.mark.parametrize("family", Family.__args__)
def test_threads_and_hash_seeds_do_not_change_the_model(family: str, tmp_path: Path) -> None:
    digests = set()
    for i, (hash_seed, threads) in enumerate((("0", "1"), ("7", "2"))):
        folder = tmp_path / str(i)
        folder.mkdir()
        write(folder / "customers.csv", 1500, seed=3)
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _TRAIN, folder, ROOT / "params.yaml", family],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads},
            check=True,
        )
        digests.add(model_digest(folder / "build/model"))

    assert len(digests) == 1
