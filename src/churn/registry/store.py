"""Looking versions up and moving them, in MLflow's registry."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from churn.core.errors import RegistryError
from churn.core.params import ReleaseParams
from churn.registry import lock
from churn.registry.version import (
    CHAMPION,
    PREVIOUS,
    STAGE_ARCHIVED,
    STAGE_NONE,
    STAGE_PRODUCTION,
    STAGE_STAGING,
    STAGING,
    Event,
    Move,
    Target,
    Version,
    by_number,
    in_production,
)
from churn.tracking import connection, local_store, runs

_PENDING = "pending"  # a move that has begun; who comes next sees whether its switch was done
_PAGE = 200
MODEL_FILES = "artifacts/model"  # in what MLflow holds of a version
_STAGING, _PRODUCTION = (STAGE_STAGING, STAGING), (STAGE_PRODUCTION, CHAMPION)
_NONE_SUCH = (connection.NOT_FOUND, "INVALID_PARAMETER_VALUE")


class Registry:
    """The registered model.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
        Its name, and whether it has stages.
    uri : str, optional
        Another MLflow than the one that is set.
    """

    def __init__(self, root: Path, settings: ReleaseParams, uri: str | None = None) -> None:
        if uri is None and local_store.registry_branch():
            raise RuntimeError("a registry that a branch holds is opened inside `working_copy`")
        connection.configure(root)
        self.name = settings.model
        self.has_stages = settings.stages
        self._client = mlflow.MlflowClient(uri, uri)
        self._clear_errors = partial(connection.translate_errors, uri)
        self._lock: lock.Lock | None = None

    def versions(self) -> list[Version]:
        """Return every version, oldest first; empty where nothing was ever registered.

        Raises
        ------
        TrackingError
            If the registry cannot be reached.
        """
        with self._clear_errors():
            try:
                aliased = self._client.get_registered_model(self.name).aliases
            except MlflowException as error:
                if error.error_code == connection.NOT_FOUND:
                    return []
                raise
            found = [_version(one, aliased) for one in self._search()]
        return sorted(found, key=lambda version: version.number)

    def _search(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_model_versions(
                f"name = '{self.name}'", max_results=_PAGE, page_token=token
            )
            for found in page:
                # Unity Catalog's search leaves the tags out.
                yield (
                    found
                    if self.has_stages
                    else self._client.get_model_version(self.name, str(found.version))
                )
            token = page.token
            if not token:
                return

    def version(self, number: int) -> Version:
        """Return a version.

        Raises
        ------
        RegistryError
            If there is none of that number.
        """
        found = by_number(self.versions())
        if number not in found:
            known = ", ".join(map(str, found)) or "none"
            raise RegistryError(f"{self.name} has no version {number} (there are: {known})")
        return found[number]

    def production(self) -> Version | None:
        """Return the version in Production: the one with the alias, else the one in the stage."""
        return in_production(self.versions())

    def download(self, version: Version, folder: Path) -> Path:
        """Copy a version's files into `folder`, and return where they are.

        Raises
        ------
        TrackingError
            If they cannot be had.
        """
        return runs.fetch(f"models:/{self.name}/{version.number}", folder)

    def find(self, number_or_stage: str | None, alias: str | None) -> Version | None:
        """Return the version to which an address of MLflow leads; None if there is none.

        Raises
        ------
        TrackingError
            If the registry cannot be reached.
        """
        with self._clear_errors(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                if alias:
                    found = self._client.get_model_version_by_alias(self.name, alias)
                elif number_or_stage and number_or_stage.isdigit():
                    found = self._client.get_model_version(self.name, number_or_stage)
                else:
                    [found] = self._client.get_latest_versions(self.name, [number_or_stage])
            except (MlflowException, ValueError) as error:
                if isinstance(error, MlflowException) and error.error_code not in _NONE_SUCH:
                    raise
                return None
        return _version(found, {})

    def uri(self, target: Move) -> str:
        """Return the address under which what is in a stage is served."""
        stage, alias = _STAGING if target == "staging" else _PRODUCTION
        return f"models:/{self.name}/{stage}" if self.has_stages else f"models:/{self.name}@{alias}"

    def require_served(self, target: Target, version: Version) -> None:
        """Make sure that stage and alias lead to a version.

        Raises
        ------
        RegistryError
            If one of them leads elsewhere.
        """
        stage, alias = _STAGING if target == "staging" else _PRODUCTION
        versions = self.versions()
        led = [v.number for v in versions if alias in v.aliases]
        if self.has_stages:  # MLflow serves the newest one there
            led += [v.number for v in versions if v.stage == stage][-1:]
        if led != [version.number] * (1 + self.has_stages):
            raise RegistryError(
                f"{stage} does not lead to version {version.number}; somebody has moved stages or"
                " aliases by hand: run it again"
            )

    @contextmanager
    def locked(self, by: str) -> Iterator[None]:
        """Be the only one who moves versions; what somebody else has left half done is mended.

        Raises
        ------
        RegistryError
            If somebody else is at it.
        TrackingError
            If the registry cannot be reached.
        """
        with lock.held(self._client, self.name, by) as self._lock:
            self.settle()
            try:
                yield
            finally:
                self._lock = None

    def make(self) -> None:
        """Make the registered model, if it is not there."""
        self.require_lock()
        with self._clear_errors():
            try:
                self._client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
                    raise

    def adopt(self, found: Sequence[Version]) -> bool:
        """Put versions that are here under the same numbers where others of a registry are.

        Parameters
        ----------
        found : sequence of Version
            Of the other registry.

        Returns
        -------
        bool
            False, and nothing is moved, where somebody has moved a version here since it came.
        """
        self.require_lock()
        known = {(one.number, event.key) for one in found for event in one.events}
        here = {(one.number, event.key) for one in self.versions() for event in one.events}
        if here - known:
            return False
        if champion := in_production(found):
            self._set_alias(CHAMPION, champion.number)
        for version in found:
            if STAGING in version.aliases:
                self._set_alias(STAGING, version.number)
            if self.has_stages and version.stage == STAGE_ARCHIVED:
                self._transition(version, STAGE_ARCHIVED)
        self.settle()
        return True

    def register(self, source: str, run_id: str, description: str, tags: dict[str, str]) -> Version:
        """Make a version of a logged model."""
        self.make()
        with self._clear_errors():
            made = self._client.create_model_version(
                self.name,
                source,
                run_id=run_id,
                tags=tags,
                description=description,
                # A server refuses a logged model of which this does not say that it is meant.
                model_id=source.partition(":/")[2] if source.startswith("models:/m-") else None,
            )
        return _version(made, {})

    def tag(self, version: Version, tags: dict[str, str]) -> None:
        """Write tags of a version."""
        with self._clear_errors():
            for key, value in tags.items():
                self._client.set_model_version_tag(self.name, str(version.number), key, value)

    def note(self, version: Version, event: Event) -> None:
        """Add to a version's audit trail."""
        self.tag(version, {event.key: event.text})

    def move(self, version: Version, what: Move, by: str, why: str) -> None:
        """Put a version into Staging or Production.

        Killed at any point, the registry is as before or as after once `settle` has run, and there
        is a version in Production at each moment if there was one before.

        Parameters
        ----------
        version : Version
        what : {"staging", "production", "rollback", "restore"}
            A rollback marks the version that it leaves as rolled back. The last one does not: that
            version is not to blame, or it is a rollback that is taken back.
        by, why : str
            For the audit trail.
        """
        self.require_lock()
        current = self.production()
        if what != "staging" and current is not None and current.number == version.number:
            self.settle()
            return
        replaced = current.number if current and what != "staging" else None
        self.tag(version, {_PENDING: Event.now(what, by, why, replaced).text})
        self.require_lock()
        self._set_alias(STAGING if what == "staging" else CHAMPION, version.number)
        self.settle()

    def withdraw(self, version: Version, by: str, why: str) -> None:
        """Take a first version, which has not worked, out of Production: none is there again.

        Parameters
        ----------
        version : Version
        by, why : str
            For the audit trail.
        """
        self.require_lock()
        self.tag(version, {_PENDING: Event.now("withdrawn", by, why).text})
        if self.has_stages:  # first: a version in the stage and without the alias would get it
            self._transition(version, STAGE_ARCHIVED)
        self._delete_alias(CHAMPION)
        self.settle()

    def settle(self) -> None:
        """Bring everything into step with the aliases ``champion`` and ``staging``."""
        self.require_lock()
        versions = self.versions()
        champion = in_production(versions)
        adopted = champion is not None and CHAMPION not in champion.aliases
        if champion is not None and adopted:  # a registry from before aliases
            self._set_alias(CHAMPION, champion.number)
        begun = [version for version in versions if _PENDING in version.tags]
        for version in begun:
            self._settle_move(version, versions)
        if begun or adopted:  # it says now what it has replaced
            versions = self.versions()
        self._settle_aliases(versions)
        if self.has_stages:
            self._settle_stages(versions)

    def _settle_move(self, version: Version, versions: list[Version]) -> None:
        event = Event.parse(version.tags[_PENDING])
        if event and _is_done(event, version):  # write down what it was
            self.note(version, event)
            if event.what != "withdrawn":
                self.tag(version, {"promoted_by": event.by, "promoted_at": event.when,
                                   "promoted_why": event.why})  # fmt: skip
            if event.what == "production":
                replaced = "" if event.replaced is None else str(event.replaced)
                self.tag(version, {"replaced": replaced, "rolled_back": ""})
            elif event.what == "restore":
                self.tag(version, {"rolled_back": ""})
            elif event.what == "rollback" and (bad := by_number(versions).get(event.replaced or 0)):
                self.tag(bad, {"rolled_back": event.text})
                self.tag(version, {"rolled_back": ""})
        with self._clear_errors():
            self._client.delete_model_version_tag(self.name, str(version.number), _PENDING)

    def _settle_aliases(self, versions: list[Version]) -> None:
        champion = in_production(versions)
        held = {alias: v.number for v in versions for alias in v.aliases}
        if champion is None:
            return
        if held.get(STAGING) == champion.number:
            self._delete_alias(STAGING)
        previous = champion.replaced
        if previous not in by_number(versions):
            previous = None
        if previous is None and PREVIOUS in held:
            self._delete_alias(PREVIOUS)
        elif previous is not None and held.get(PREVIOUS) != previous:
            self._set_alias(PREVIOUS, previous)

    def _settle_stages(self, versions: list[Version]) -> None:
        """Put each version into the stage that its alias says, the new ones first."""
        leaving = []
        for version in versions:
            if CHAMPION in version.aliases:
                wanted = STAGE_PRODUCTION
            elif STAGING in version.aliases:
                wanted = STAGE_STAGING
            elif version.stage in (STAGE_PRODUCTION, STAGE_STAGING):
                leaving.append(version)
                continue
            else:
                continue
            if version.stage != wanted:
                self._transition(version, wanted)
        for version in leaving:
            self._transition(version, STAGE_ARCHIVED)

    def _transition(self, version: Version, stage: str) -> None:
        with self._clear_errors(), warnings.catch_warnings():
            # Stages are deprecated (MLflow's issue 10336), and people still look for them.
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(
                self.name, str(version.number), stage, archive_existing_versions=False
            )

    def _set_alias(self, alias: str, number: int) -> None:
        with self._clear_errors():
            self._client.set_registered_model_alias(self.name, alias, str(number))

    def _delete_alias(self, alias: str) -> None:
        with self._clear_errors():
            self._client.delete_registered_model_alias(self.name, alias)

    def require_lock(self) -> None:
        """Make sure that nobody else has taken over.

        Raises
        ------
        LostLockError
            If somebody has.
        TrackingError
            If the registry cannot be reached.
        """
        if self._lock is None:
            raise RuntimeError("versions are moved inside `locked` only")
        self._lock.require()


def _is_done(event: Event, version: Version) -> bool:
    """Tell whether the switch of a move that has begun was done."""
    if event.what == "withdrawn":
        return CHAMPION not in version.aliases
    return (STAGING if event.what == "staging" else CHAMPION) in version.aliases


def _version(found: Any, aliased: dict[str, Any]) -> Version:
    number = int(found.version)
    return Version(
        number=number,
        stage=found.current_stage or STAGE_NONE,
        aliases=frozenset(alias for alias, of in aliased.items() if int(of) == number),
        description=found.description or "",
        run_id=found.run_id or "",
        tags=dict(found.tags),
    )
