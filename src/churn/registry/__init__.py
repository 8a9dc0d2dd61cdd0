"""The registered model and its versions.

The only package that moves versions, and the one that verifies their files before they are used.
`deploy` decides whether a version may be moved.
"""

from __future__ import annotations

from churn.registry.moves import Registry
from churn.registry.reader import MODEL_FILES
from churn.registry.version import Canary, Event, Move, Target, Version

__all__ = ["MODEL_FILES", "Canary", "Event", "Move", "Registry", "Target", "Version"]
