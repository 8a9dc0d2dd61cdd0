"""A model that is named by its address is the one that was registered, or none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from churn.core.errors import CandidateError, TrackingError
from churn.core.paths import Workspace
from churn.registry.loading import load_model
from churn.registry.verified import companion
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

ADDRESSES = ["models:/churn-predictor/1", "models:/churn-predictor/Production",
             "models:/churn-predictor@champion"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_version_is_loaded_by_any_of_its_addresses_if_its_bytes_are_its_own(
    address: str, released: Candidates
) -> None:
    root = released.roots[0]
    assert load_model(address, root).card.threshold == 0.3

    # when a model that loads as well is put in its place in the store
    [stored] = Path().glob("**/mlruns/**/models/*/artifacts/artifacts/model")
    shutil.copy(Workspace(released.roots[1]).model / "pipeline.skops", stored)

    with pytest.raises(CandidateError, match=r"version 1: its model is .* its files were changed"):
        load_model(address, root)


def test_a_file_that_was_packed_beside_a_model_is_the_one_that_was_registered(
    candidates: Candidates, tmp_path: Path
) -> None:
    version = candidates.release(1).version
    packed = Workspace(candidates.roots[0]).candidate / "out_of_fold.parquet"

    found = companion(version, packed.name, tmp_path / "copy")
    assert found is not None
    assert found.read_bytes() == packed.read_bytes()
    assert companion(version, "nothing.parquet", tmp_path / "none") is None

    # when the other candidate's is put in its place, and when the manifest is another one as well
    [stored] = Path().glob("**/mlruns/**/artifacts/candidate/out_of_fold.parquet")
    other = Workspace(candidates.roots[1]).candidate
    for name in (packed.name, "manifest.json"):
        shutil.copy(other / name, stored.with_name(name))
        with pytest.raises(CandidateError, match=rf"version 1: {name} is not what was registered"):
            companion(version, packed.name, tmp_path / f"changed-{name}")


def test_a_version_without_a_digest_is_loaded_as_it_is(candidates: Candidates) -> None:
    version = candidates.release(1).version
    candidates.registry.tag(version, {"model_digest": ""})
    assert load_model(ADDRESSES[0], candidates.roots[0]).card.threshold == 0.3


@pytest.mark.parametrize(
    "address",
    [
        "models:/churn-predictor/9",
        "models:/churn-predictor@nobody",
        "models:/churn-predictor/Staging",
        "models:/nothing/1",
        "models:/churn-predictor/Nowhere",
    ],
)
def test_an_address_that_leads_nowhere_is_an_error_of_mlflow(
    address: str, released: Candidates
) -> None:
    with pytest.raises(TrackingError):
        load_model(address, released.roots[0])
