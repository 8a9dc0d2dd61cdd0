"""Whether every variant runs, or one of each kind: CHURN_TESTS_EXHAUSTIVE, set by nightly.yml."""

from __future__ import annotations

import os

EXHAUSTIVE = bool(os.environ.get("CHURN_TESTS_EXHAUSTIVE"))
