"""Everything that a report says, read once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churn.candidate import INPUTS, git, input_fingerprint, model_digest
from churn.errors import ArtifactError
from churn.files import read_json
from churn.paths import Workspace


@dataclass(frozen=True)
class Facts:
    """What is known of a candidate.

    Attributes
    ----------
    verdict : dict
        As verdict.json holds it.
    metrics, checks, comparison : dict or None
        As the files of these names hold them; None where the pipeline was stopped, or nothing
        was to be judged.
    changes : dict
        As changes.json holds them; empty where nobody has asked.
    commit, fingerprint : str
    uncommitted : bool
        Whether inputs differ from those of the commit.
    model_digest : str or None
    links : dict of str to str
        Addresses by title: the run on the server that made the candidate.
    """

    verdict: dict[str, Any]
    metrics: dict[str, Any] | None
    checks: dict[str, Any] | None
    comparison: dict[str, Any] | None
    changes: dict[str, Any]
    commit: str
    uncommitted: bool
    fingerprint: str
    model_digest: str | None
    links: dict[str, str]

    @property
    def compared(self) -> list[dict[str, Any]]:
        """The baselines that the candidate could be compared with."""
        return [entry for entry in self.baselines if "metrics" in entry]

    @property
    def for_release(self) -> bool:
        """Whether it is what main would release: compared with Production alone."""
        return {entry.get("kind") for entry in self.baselines} == {"production"}

    @property
    def baselines(self) -> list[dict[str, Any]]:
        """All baselines that were asked for."""
        return list(self.comparison["baselines"]) if self.comparison else []


def gather(workspace: Workspace) -> Facts:
    """Read what `compare`, `gate` and the stages have written.

    Raises
    ------
    ArtifactError
        If `gate` has not run, or a file that it judged is gone.
    """
    verdict = read_json(workspace.verdict, "gate")
    judged = verdict["outcome"] == "judged"
    return Facts(
        verdict=verdict,
        metrics=_read(workspace.metrics) if judged else None,
        checks=_read(workspace.checks) if judged else None,
        comparison=_read(workspace.comparison) if judged else None,
        changes=_read(workspace.changes) or {},
        commit=git(workspace.root, "rev-parse", "HEAD").strip(),
        uncommitted=bool(git(workspace.root, "status", "--porcelain", "--", *INPUTS).strip()),
        fingerprint=input_fingerprint(workspace.root),
        model_digest=_digest(workspace.model) if judged else None,
        links=links(os.environ),
    )


def links(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the address of the run, where this is one of GitHub Actions."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    if not (server and repository and run):
        return {}
    return {"run and files": f"{server}/{repository}/actions/runs/{run}"}


def _read(file: Path) -> dict[str, Any] | None:
    """Read a file that an earlier step may not have written."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _digest(model: Path) -> str | None:
    try:
        return model_digest(model)
    except ArtifactError:
        return None
