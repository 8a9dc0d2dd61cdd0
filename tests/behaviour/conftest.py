"""The parameters of the project itself: these tests are of its model and of its limits."""

from __future__ import annotations

import pytest

from churn.core import params
from churn.core.params import Params
from tests.conftest import ROOT, require_example


@pytest.fixture(scope="session")
def settings() -> Params:
    """Return the parameters of the project, whose table has to be the example's."""
    require_example()
    return params.load(ROOT / "params.yaml")
