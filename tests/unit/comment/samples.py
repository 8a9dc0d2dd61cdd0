"""Runs and changes for comments."""

from __future__ import annotations

from churn.comment.run import Run
from churn.comment.touched import Change
from churn.review.judging import Touched

REPOSITORY = "https://github.com/octo/shop"
HEAD = "a" * 40
WORKFLOW = ".github/workflows/pull-request.yml"
RUN = Run(77, 12, WORKFLOW, "success", HEAD, "better", "stranger/shop", REPOSITORY, "main")
NOTHING = Touched((), (), (), (), (), False)
UNTOUCHED = Change(NOTHING, True, [])
