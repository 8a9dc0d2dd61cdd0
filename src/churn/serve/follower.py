"""Follow the registry: fetch what it says is to be served, verify it, and write it to the store."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from churn.core.errors import ArtifactError, ChurnError, RegistryError
from churn.core.params import ReleaseParams
from churn.deploy import canary
from churn.provenance.candidate import model_digest
from churn.registry import MODEL_FILES, Registry, Version, loading, verified
from churn.registry.version import in_production, on_trial
from churn.registry.working_copy import WorkingCopy, working_copy
from churn.serve.probe import require_loadable
from churn.serve.store import Challenger, Loadable, Refusal, State, Store

_logger = logging.getLogger("churn.serve")
_AGAIN_S = 60.0  # until a version that could not be served is fetched once more


class Follower:
    """Brings the store in line with the registry.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
    store : Store
    """

    def __init__(self, root: Path, settings: ReleaseParams, store: Store) -> None:
        self._root, self._settings, self._store = root, settings, store
        self._problems: list[str] = []  # of the last look, which are not told again
        # Versions that cannot be served, why, and until when they are not tried again.
        self._failed: dict[Loadable, tuple[str, float]] = {}

    def look(self) -> bool:
        """Ask the registry once, and fetch what is new.

        A version that is not what was registered, or cannot be loaded, stays out, and what was
        served goes on.

        Returns
        -------
        bool
            Whether there is something to serve.

        Raises
        ------
        ChurnError
            If the registry does not answer; nothing changes then.
        """
        with working_copy(self._root) as copy:
            registry = Registry(self._root, self._settings)
            versions = registry.versions()
            self._store.touch()
            tried, refusal = on_trial(versions), self._store.refusal()
            problems: list[str] = []
            if tried is not None and refusal is not None and refusal.since == tried_since(tried):
                problems += self._record(copy, tried, refusal)
                tried = None
            champion = in_production(versions)
            if champion is None:
                problems += self._withdrawn()
            else:
                problems += self._follow(registry, champion, tried)
            self._tell(problems)
        return self._store.state() is not None

    def _record(self, copy: WorkingCopy | None, tried: Version, refusal: Refusal) -> Iterator[str]:
        """Stop a canary that was refused here; tried again at the next look if it fails."""

        def act() -> Version | None:
            registry = Registry(self._root, self._settings)
            return canary.stop(registry, "churn serve", refusal.reason, tried.number)

        try:
            if copy is None:
                act()
            else:
                copy.move(act, self._settings)
        except ChurnError as error:
            yield f"the canary of version {tried.number} is stopped here only: {error}"

    def _withdrawn(self) -> Iterator[str]:
        """Go on with the last version that was in Production, if there was one."""
        state = self._store.state()
        if state is None:
            return
        if state.challenger is not None:
            self._store.write(state.model_copy(update={"challenger": None}))
        yield f"nothing is in Production; version {state.champion.version} goes on"

    def _follow(
        self, registry: Registry, champion: Version, tried: Version | None
    ) -> Iterator[str]:
        """Write what is to be served; give what is wrong with something newer."""
        before = self._store.state()
        try:
            wanted, fetched = self._fetched(registry, champion)
        except ChurnError as error:
            if before is None:
                raise
            wanted, fetched = before.champion, False
            yield f"{error}; version {wanted.version} goes on"
        challenger = None
        # In a move to Production there is a moment in which it is both.
        if tried is not None and tried.number != champion.number:
            try:
                challenger, also = self._challenger(registry, tried)
                fetched = fetched or also
            except ChurnError as error:  # the champion is served all the same
                yield f"canary: {error}"
        state = State(name=self._settings.model, champion=wanted, challenger=challenger)
        # Also where a damaged copy was replaced: workers have to load it.
        if fetched or state != before:
            self._store.write(state)

    def _tell(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._problems:
                _logger.error("%s", problem)
        self._problems = problems

    def _challenger(self, registry: Registry, version: Version) -> tuple[Challenger, bool]:
        trial = version.canary
        loadable, fetched = self._fetched(registry, version)
        assert trial is not None
        found = Challenger(
            version=loadable.version,
            digest=loadable.digest,
            share=trial.share,
            shadow=trial.shadow,
            since=tried_since(version),
        )
        return found, fetched

    def _fetched(self, registry: Registry, version: Version) -> tuple[Loadable, bool]:
        """Return a version that is in the store, verified, and whether it is new there."""
        if not version.digest:
            raise RegistryError(
                f"version {version.number}: registered without a digest; register it with churn"
            )
        loadable = Loadable(version=str(version.number), digest=version.digest)
        if self._store.has(loadable):
            return loadable, False
        reason, until = self._failed.get(loadable, ("", 0.0))
        if time.monotonic() < until:
            raise ArtifactError(reason)
        try:
            with tempfile.TemporaryDirectory(prefix="churn-serve-") as folder:
                stored = verified.fetch(registry, version, Path(folder))
                # Tried elsewhere: what is in the store has been, whenever this process is killed.
                aside = Store(Path(folder) / "tried")
                aside.add(loadable, stored / MODEL_FILES, stored)
                require_loadable(aside, loadable)
                self._store.adopt(aside, loadable)
        except ChurnError as error:
            self._failed[loadable] = (str(error), time.monotonic() + _AGAIN_S)
            raise
        return loadable, True


def tried_since(version: Version) -> str:
    """Return when a version's canary began; empty if the audit trail does not say."""
    begun = version.last("canary")
    return "" if begun is None else begun.when


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
        digest = model_digest(found.model)
        loadable = Loadable(version=found.version or digest[:12], digest=digest)
        store.add(loadable, found.model, found.stored)
    require_loadable(store, loadable)  # what cannot be loaded ends the command, and not each worker
    store.write(State(name=name, champion=loadable))
