"""Register versions of the model, and move them between Staging, Production and the archive."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException

from churn.core.params import ReleaseParams
from churn.registry import lock, rules
from churn.registry.reader import RegistryReader, to_version
from churn.registry.version import (
    CHALLENGER,
    CHAMPION,
    STAGE_ARCHIVED,
    STAGING,
    Canary,
    Event,
    Move,
    Version,
    in_production,
)
from churn.tracking import connection

_PENDING = "pending"  # tag: a move that was begun; `reconcile` completes it or drops it


class Registry(RegistryReader):
    """The registered model, to be read and changed; parameters as for `RegistryReader`."""

    def __init__(self, root: Path, settings: ReleaseParams, uri: str | None = None) -> None:
        super().__init__(root, settings, uri)
        self._lock: lock.Lock | None = None

    @contextmanager
    def locked(self, by: str) -> Iterator[None]:
        """Hold the registry's lock for a block; first complete the move of a killed process.

        Parameters
        ----------
        by : str
            Who holds it, for others who wait.

        Raises
        ------
        RegistryError
            If another process holds it.
        TrackingError
            If the registry cannot be reached.
        """
        with lock.held(self._client, self.name, by) as self._lock:
            self.reconcile()
            try:
                yield
            finally:
                self._lock = None

    def require_lock(self) -> None:
        """Check that this process still holds the lock.

        Raises
        ------
        LostLockError
            If another process has taken it over.
        TrackingError
            If the registry cannot be reached.
        """
        if self._lock is None:
            raise RuntimeError("versions are moved inside `locked` only")
        self._lock.require()

    def create(self) -> None:
        """Create the registered model if it does not exist.

        Raises
        ------
        LostLockError
            If another process has taken over the lock.
        TrackingError
            If a prompt has that name, or the registry cannot be reached.
        """
        self.require_lock()
        with self._translate_errors():
            try:
                self._client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code not in connection.ALREADY_EXISTS:
                    raise
                self._client.get_registered_model(self.name)  # not found if it is a prompt

    def register(self, source: str, run_id: str, description: str, tags: dict[str, str]) -> Version:
        """Create a version of a logged model.

        Parameters
        ----------
        source : str
            The model's address.
        run_id : str
            The run that has logged it.
        description : str
            Markdown.
        tags : dict of str to str
        """
        self.create()
        with self._translate_errors():
            made = self._client.create_model_version(
                self.name,
                source,
                run_id=run_id,
                tags=tags,
                description=description,
                # A server requires the id of a logged model beside its address.
                model_id=source.partition(":/")[2] if source.startswith("models:/m-") else None,
            )
        return to_version(made, {})

    def tag(self, version: Version, tags: dict[str, str]) -> None:
        """Write tags of a version."""
        with self._translate_errors():
            for key, value in tags.items():
                self._client.set_model_version_tag(self.name, str(version.number), key, value)

    def record(self, version: Version, event: Event) -> None:
        """Add an event to a version's audit trail."""
        self.tag(version, {event.key: event.text})

    def move(self, version: Version, what: Move, by: str, why: str) -> None:
        """Move a version to Staging or Production.

        If the process is killed, `reconcile` completes or drops the move. Production is never
        empty in between if there was a version before.

        Parameters
        ----------
        version : Version
        what : {"staging", "production", "rollback", "restore"}
            ``rollback`` marks the version that was in Production as rolled back. ``restore`` does
            not: that version is not at fault, or its own rollback is undone.
        by, why : str
            For the audit trail.

        Raises
        ------
        LostLockError
            If another process has taken over the lock.
        TrackingError
            If the registry cannot be reached.
        """
        self.require_lock()
        current = self.production()
        if what != "staging" and current is not None and current.number == version.number:
            self.reconcile()
            return
        replaced = current.number if current and what != "staging" else None
        self.tag(version, {_PENDING: Event.now(what, by, why, replaced).text})
        self.require_lock()
        self._set_alias(STAGING if what == "staging" else CHAMPION, version.number)
        self.reconcile()

    def withdraw(self, version: Version, by: str, why: str) -> None:
        """Remove the first version from Production, which is then empty as it was before.

        Parameters
        ----------
        version : Version
        by, why : str
            For the audit trail.

        Raises
        ------
        LostLockError
            If another process has taken over the lock.
        TrackingError
            If the registry cannot be reached.
        """
        self.require_lock()
        self.tag(version, {_PENDING: Event.now("withdrawn", by, why).text})
        # The stage first: `reconcile` gives the alias to a version that only has the stage.
        if self.has_stages:
            self.set_stage(version, STAGE_ARCHIVED)
        self.delete_alias(CHAMPION)
        self.reconcile()

    def start_canary(self, version: Version, canary: Canary, by: str, why: str) -> None:
        """Try a version on a part of the customers, or in the shadow.

        Parameters
        ----------
        version : Version
        canary : Canary
        by, why : str
            For the audit trail.

        Raises
        ------
        LostLockError
            If another process has taken over the lock.
        TrackingError
            If the registry cannot be reached.
        """
        self.require_lock()
        event = Event.now("canary", by, f"{canary.described}: {why}")
        # The alias last: it is what servers follow, and they find the share then.
        self.tag(version, {"canary": canary.text, event.key: event.text})
        self._set_alias(CHALLENGER, version.number)

    def stop_canary(self, version: Version, by: str, why: str) -> None:
        """End a version's trial; parameters and errors as for `start_canary`."""
        self.require_lock()
        self.delete_alias(CHALLENGER)
        self.record(version, Event.now("canary_stopped", by, why))

    def import_aliases(self, source: Sequence[Version]) -> bool:
        """Set aliases and stages as in another registry, from which the versions were copied.

        Parameters
        ----------
        source : sequence of Version
            The versions of the other registry, which have the same numbers here.

        Returns
        -------
        bool
            False if a version was moved here since it was copied; then nothing is changed.
        """
        self.require_lock()
        copied = {(version.number, event.key) for version in source for event in version.events}
        here = {(v.number, event.key) for v in self.versions() for event in v.events}
        if here - copied:
            return False
        if champion := in_production(source):
            self._set_alias(CHAMPION, champion.number)
        for version in source:
            for alias in (STAGING, CHALLENGER):
                if alias in version.aliases:
                    self._set_alias(alias, version.number)
            if self.has_stages and version.stage == STAGE_ARCHIVED:
                self.set_stage(version, STAGE_ARCHIVED)
        self.reconcile()
        return True

    def reconcile(self) -> None:
        """Complete the moves that were begun, and bring tags and stages in line with the aliases.

        Raises
        ------
        LostLockError
            If another process has taken over the lock.
        TrackingError
            If the registry cannot be reached.
        """
        self.require_lock()
        versions = self.versions()
        champion = in_production(versions)
        lacks_alias = champion is not None and CHAMPION not in champion.aliases
        if champion is not None and lacks_alias:  # a registry that had stages only
            self._set_alias(CHAMPION, champion.number)
        begun = [version for version in versions if _PENDING in version.tags]
        for version in begun:
            self._complete_move(version, versions)
        if begun or lacks_alias:
            versions = self.versions()
        if ended := rules.ended_trial(versions):
            self.record(*ended)
        for alias, number in rules.alias_changes(versions).items():
            if number is None:
                self.delete_alias(alias)
            else:
                self._set_alias(alias, number)
        if self.has_stages:
            for version, stage in rules.stage_changes(versions):
                self.set_stage(version, stage)

    def _complete_move(self, version: Version, versions: list[Version]) -> None:
        event = Event.parse(version.tags[_PENDING])
        if event and rules.is_done(event, version):
            for moved, tags in rules.tags_of_move(event, version, versions):
                self.tag(moved, tags)
        with self._translate_errors():
            self._client.delete_model_version_tag(self.name, str(version.number), _PENDING)

    def set_stage(self, version: Version, stage: str) -> None:
        """Move a version to a stage; its aliases stay as they are."""
        with self._translate_errors(), warnings.catch_warnings():
            # Stages are deprecated (MLflow's issue 10336), and users still look for them.
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(
                self.name, str(version.number), stage, archive_existing_versions=False
            )

    def _set_alias(self, alias: str, number: int) -> None:
        with self._translate_errors():
            self._client.set_registered_model_alias(self.name, alias, str(number))

    def delete_alias(self, alias: str) -> None:
        """Delete an alias, whichever version has it."""
        with self._translate_errors():
            self._client.delete_registered_model_alias(self.name, alias)
