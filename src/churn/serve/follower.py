"""Follow the registry: fetch what it says is to be served, verify it, and write it to the store."""

from __future__ import annotations

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from churn.core.errors import ChurnError, RegistryError
from churn.core.params import ReleaseParams
from churn.deploy import canary
from churn.model import artifact
from churn.provenance.candidate import model_digest
from churn.registry import MODEL_FILES, Registry, Version, loading, verified
from churn.registry.version import in_production, on_trial
from churn.registry.working_copy import working_copy
from churn.serve.store import Challenger, Loadable, State, Store

_logger = logging.getLogger("churn.serve")


class Follower:
    """Brings the store in line with the registry.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
    store : Store

    Attributes
    ----------
    refused : set of int
        Versions that are not tried, whatever the registry says.
    """

    def __init__(self, root: Path, settings: ReleaseParams, store: Store) -> None:
        self._root, self._settings, self._store = root, settings, store
        self.refused: set[int] = set()  # versions whose canary was stopped here

    def look(self) -> bool:
        """Ask the registry once, and fetch what is new.

        A version that is not what was registered stays out, and what was served goes on.

        Returns
        -------
        bool
            Whether there is something to serve.

        Raises
        ------
        ChurnError
            If the registry does not answer; nothing changes then.
        """
        with working_copy(self._root):
            registry = Registry(self._root, self._settings)
            versions = registry.versions()
            self._store.touch()
            champion = in_production(versions)
            if champion is None:
                return self._store.state() is not None
            self._follow(registry, versions, champion)
        return True

    def refuse(self, number: int, reason: str) -> None:
        """Stop a version's canary here at once, and in the registry if it can be.

        Parameters
        ----------
        number : int
        reason : str
            For the audit trail.

        Raises
        ------
        ChurnError
            If the registry does not answer or refuses; the canary is stopped here all the same.
        """
        self.refused.add(number)
        state = self._store.state()
        if state is not None and state.challenger is not None:
            changes = {"challenger": None, "problem": f"canary of version {number}: {reason}"}
            self._store.write(state.model_copy(update=changes))
        with working_copy(self._root) as copy:

            def act() -> Version:
                registry = Registry(self._root, self._settings)
                return canary.stop(registry, "churn serve", reason)

            if copy is None:
                act()
            else:
                copy.move(act, self._settings)

    def _follow(self, registry: Registry, versions: list[Version], champion: Version) -> None:
        before = self._store.state()
        try:
            wanted, problem = self._fetched(registry, champion), ""
        except ChurnError as error:
            if before is None:
                raise
            wanted, problem = before.champion, str(error)
        challenger = None
        tried = on_trial(versions)
        # In a move to Production there is a moment in which it is both.
        if tried is not None and tried.number not in {champion.number, *self.refused}:
            try:
                challenger = self._challenger(registry, tried)
            except ChurnError as error:  # the champion is served all the same
                problem = problem or f"canary: {error}"
        state = State(
            name=self._settings.model,
            champion=wanted,
            challenger=challenger,
            changed=datetime.now(UTC).isoformat(timespec="seconds"),
            problem=problem,
        )
        if before is None or state.model_copy(update={"changed": before.changed}) != before:
            if problem:
                _logger.error("%s; version %s goes on", problem, wanted.version)
            self._store.write(state)

    def _challenger(self, registry: Registry, version: Version) -> Challenger:
        trial, loadable = version.canary, self._fetched(registry, version)
        assert trial is not None
        return Challenger(
            version=loadable.version,
            digest=loadable.digest,
            share=trial.share,
            shadow=trial.shadow,
        )

    def _fetched(self, registry: Registry, version: Version) -> Loadable:
        """Return a version that is in the store, verified."""
        loadable = Loadable(version=str(version.number), digest=version.digest)
        if not version.digest:
            raise RegistryError(
                f"version {version.number}: registered without a digest; register it with churn"
            )
        if not self._store.has(loadable):
            with tempfile.TemporaryDirectory(prefix="churn-serve-") as folder:
                stored = verified.fetch(registry, version, Path(folder))
                self._store.add(loadable, stored / MODEL_FILES, stored)
        return loadable


def fix(root: Path, uri: str, name: str, store: Store) -> None:
    """Put a model that an address names into the store, to be served for good.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    uri : str
        As for `churn.registry.loading.fetch`.
    name : str
        The model's name in the Open Inference Protocol.
    store : Store

    Raises
    ------
    ChurnError
        If there is no such model.
    """
    with tempfile.TemporaryDirectory(prefix="churn-serve-") as folder:
        found = loading.fetch(uri, root, Path(folder))
        artifact.load(found.model)  # what cannot be loaded ends the command, and not each worker
        digest = model_digest(found.model)
        loadable = Loadable(version=found.version or digest[:12], digest=digest)
        if not store.has(loadable):
            store.add(loadable, found.model, found.stored)
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    store.write(State(name=name, champion=loadable, changed=moment))
