"""What the stage `track` writes; apart from MLflow, which takes a second to import."""

from __future__ import annotations

from churn.core.files import Shape


class TrackedRun(Shape):
    """run.json: the run of a model."""

    run_id: str
    model_digest: str
