"""The model registry: the only package that looks up and moves versions.

One alias, ``champion``, says which version is in Production, and switching it is one step of the
server. All else (stages, the other aliases, the audit trail) follows from it and is brought into
step afterwards, by whoever comes next if that was interrupted.
"""

from __future__ import annotations

from churn.registry.store import MODEL_FILES, Registry
from churn.registry.version import Event, Move, Target, Version

__all__ = ["MODEL_FILES", "Event", "Move", "Registry", "Target", "Version"]
