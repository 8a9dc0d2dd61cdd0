"""How the report and the pictures name what a model goes by."""

from __future__ import annotations

MOST_COLUMNS = 15  # that are shown
DIRECTIONS = {
    "raises": "larger numbers raise the prediction",
    "lowers": "larger numbers lower the prediction",
}
