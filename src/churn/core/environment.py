"""What programs that this one starts are told of its environment."""

from __future__ import annotations

import os

_CREDENTIALS = (
    "GH_TOKEN",
    "MLFLOW_TRACKING_URI",  # may hold a password
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)


def without_credentials() -> dict[str, str]:
    """Return the environment for code that needs neither GitHub nor the registry."""
    return {name: value for name, value in os.environ.items() if name not in _CREDENTIALS}
