"""A model that is named by its address is the one that was registered, or none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from churn.errors import CandidateError, TrackingError
from churn.paths import Workspace
from churn.prediction import load_model
from churn.registry.verified import load
from tests.unit.releases import Candidates

ADDRESSES = ["models:/churn-predictor/1", "models:/churn-predictor/Production",
             "models:/churn-predictor@champion"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_version_is_loaded_by_any_of_its_addresses_if_its_bytes_are_its_own(
    address: str, candidates: Candidates
) -> None:
    candidates.release(1)
    root = candidates.roots[0]
    assert load_model(address, root).card.threshold == 0.3

    # when a model that loads as well is put in its place in the store
    [stored] = Path().glob("**/mlruns/**/models/*/artifacts/artifacts/model")
    shutil.copy(Workspace(candidates.roots[1]).model / "pipeline.skops", stored)

    with pytest.raises(CandidateError, match=r"version 1: its model is .* its files were changed"):
        load_model(address, root)


def test_a_version_without_a_digest_is_loaded_as_it_is(candidates: Candidates) -> None:
    version = candidates.release(1).version
    candidates.registry.tag(version, {"model_digest": ""})
    assert load(candidates.roots[0], ADDRESSES[0]).card.threshold == 0.3


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
    address: str, candidates: Candidates
) -> None:
    candidates.release(1)
    with pytest.raises(TrackingError):
        load(candidates.roots[0], address)
