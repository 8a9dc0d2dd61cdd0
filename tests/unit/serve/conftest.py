"""Models that are served, and customers with columns of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.serve import served
from churn.serve.served import Served
from tests.unit.serve.models import fitted


@pytest.fixture(scope="session")
def champion(stored: Path, planned: pd.DataFrame) -> Served:
    """Return the small model as it is served: compiled, and compared with its reference."""
    return served.load("3", stored, model_digest(stored), planned.head(2), 1000)


@pytest.fixture(scope="session")
def rich(planned: pd.DataFrame) -> pd.DataFrame:
    """Return customers with two categories and a date, some of each missing."""
    days = pd.to_timedelta(np.arange(len(planned)) % 700, unit="D")
    signup = pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + days, index=planned.index)
    signup = signup.astype("datetime64[us, UTC]")
    signup[::9] = pd.NaT
    channel = pd.Series(np.where(planned["age"] > 40, "web", "shop"), dtype="str")
    return planned.assign(channel=channel, signup=signup)


@pytest.fixture(scope="session")
def dated(rich: pd.DataFrame) -> Model:
    """Return a model with columns of every kind."""
    kinds = {"data__categorical": ["plan", "channel"], "data__dates": ["signup"]}
    return fitted(rich, **kinds)
