"""One release: what is asked for, and what is known of it once the lock is held."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from churn.core.params import Params
from churn.core.progress import Say
from churn.deploy import promotion
from churn.deploy.commits import Commit
from churn.provenance.bundle import Manifest
from churn.provenance.lineage import Source
from churn.registry import Move, Registry, Version

Until = Literal["registered", "staging", "integration", "canary", "production"]


@dataclass(frozen=True)
class Plan:
    """What to release, and how far.

    Attributes
    ----------
    candidate : Path
        Folder of a packed candidate.
    by, why : str
        Who releases and the reason, for the audit trail.
    commit : str
        The commit whose model it is.
    until : {"registered", "staging", "integration", "canary", "production"}
        The last step.
    digest : str or None
        Expected digest of the candidate's manifest; None if any is accepted.
    """

    candidate: Path
    by: str
    why: str = "released"
    commit: str = "HEAD"
    until: Until = "production"
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """A release under the lock.

    Attributes
    ----------
    root : Path
        The repository.
    plan : Plan
    say : callable
        Called with the name of each step.
    settings : Params
    manifest : Manifest
        The candidate's.
    registry : Registry
    commit : Commit
        The commit whose model is released.
    source : Source
        How the candidate was made.
    served : str
        Fingerprint of the commit's code and libraries that are served with the model.
    before : Version or None
        The version in Production when the release began.
    """

    root: Path
    plan: Plan
    say: Say
    settings: Params
    manifest: Manifest
    registry: Registry
    commit: Commit
    source: Source
    served: str
    before: Version | None

    def is_same(self, version: Version) -> bool:
        """Tell whether a version equals the candidate.

        By the model's bytes, its predictions, and the code and libraries that are served with it.
        """
        return bool(
            version.digest == self.manifest.model_digest
            and version.tags.get("predictions_digest") == self.manifest.predictions_digest
            and version.tags.get("served") == self.served
        )

    def record_commit(self, version: Version) -> None:
        """Record that the commit has a version's model."""
        fingerprint, by = self.manifest.fingerprint, self.plan.by
        promotion.record_commit(self.root, self.registry, version, self.commit, fingerprint, by)

    def move(self, version: Version, what: Move, why: str) -> None:
        """Move a version, in the name of who releases."""
        self.registry.move(version, what, self.plan.by, why)
