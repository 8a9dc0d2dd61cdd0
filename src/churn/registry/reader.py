"""Look up the versions of the registered model, and download them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from churn.core.errors import RegistryError
from churn.core.params import ReleaseParams
from churn.registry.version import (
    CHAMPION,
    STAGE_NONE,
    STAGE_PRODUCTION,
    STAGE_STAGING,
    STAGING,
    Move,
    Target,
    Version,
    by_number,
    in_production,
)
from churn.tracking import connection, local_store, runs

MODEL_FILES = "artifacts/model"  # the model's folder in what MLflow stores for a version
PAGE = 200
_STAGING, _PRODUCTION = (STAGE_STAGING, STAGING), (STAGE_PRODUCTION, CHAMPION)
_NO_SUCH_VERSION = (connection.NOT_FOUND, "INVALID_PARAMETER_VALUE")


class _Client(mlflow.MlflowClient):
    """MLflow's client, which does not ask before each request whether the model is a prompt.

    That would be one more request for each tag. `RegistryReader.versions`, with which each move
    begins, finds none of a prompt, and `churn.registry.moves.Registry.create` asks.
    """

    def _raise_if_prompt(self, name: str) -> None:
        pass


class RegistryReader:
    """The registered model, to be read.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
        The model's name, and whether the registry has stages.
    uri : str, optional
        Address of another MLflow; default is the tracking address.

    Raises
    ------
    RegistryError
        If stages are wanted of Unity Catalog, which has none.
    """

    def __init__(self, root: Path, settings: ReleaseParams, uri: str | None = None) -> None:
        if uri is None and local_store.registry_branch():
            raise RuntimeError("open a registry that a branch stores inside `working_copy`")
        connection.configure(root)
        if settings.stages and str(uri or mlflow.get_registry_uri()).startswith("databricks-uc"):
            raise RegistryError(
                "release.stages: Unity Catalog has aliases only; set it to false in params.yaml"
            )
        self.name = settings.model
        self.has_stages = settings.stages
        self._client = _Client(uri, uri)
        self._translate_errors = partial(connection.translate_errors, uri)

    def versions(self) -> list[Version]:
        """Return every version, oldest first; empty if nothing was ever registered.

        Raises
        ------
        TrackingError
            If the registry cannot be reached.
        """
        with self._translate_errors():
            try:
                aliases = self._client.get_registered_model(self.name).aliases
            except MlflowException as error:
                if error.error_code == connection.NOT_FOUND:
                    return []
                raise
            found = [to_version(entry, aliases) for entry in self._search()]
        return sorted(found, key=lambda version: version.number)

    def _search(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_model_versions(
                f"name = '{self.name}'", max_results=PAGE, page_token=token
            )
            for found in page:
                # The search of Unity Catalog returns no tags.
                yield (
                    found
                    if self.has_stages
                    else self._client.get_model_version(self.name, str(found.version))
                )
            token = page.token
            if not token:
                return

    def version(self, number: int) -> Version:
        """Return a version by its number.

        Raises
        ------
        RegistryError
            If there is no such version.
        TrackingError
            If the registry cannot be reached.
        """
        found = by_number(self.versions())
        if number not in found:
            known = ", ".join(map(str, found)) or "none"
            raise RegistryError(f"{self.name} has no version {number} (there are: {known})")
        return found[number]

    def production(self) -> Version | None:
        """Return the version in Production: the one with the alias, else the one in the stage."""
        return in_production(self.versions())

    def metrics(self, version: Version) -> dict[str, float]:
        """Return the metrics of a version's run; none if the run is gone.

        Raises
        ------
        TrackingError
            If the registry cannot be reached.
        """
        with self._translate_errors():
            try:
                found: dict[str, float] = self._client.get_run(version.run_id).data.metrics
            except MlflowException as error:
                if error.error_code == connection.NOT_FOUND:
                    return {}
                raise
        return found

    def download(self, version: Version, folder: Path) -> Path:
        """Download a version's files into `folder`, and return their path.

        Raises
        ------
        TrackingError
            If there are none, or the registry cannot be reached.
        """
        return runs.fetch(f"models:/{self.name}/{version.number}", folder)

    def find(self, number_or_stage: str | None, alias: str | None) -> Version | None:
        """Return the version that a ``models:/`` address names; None if there is none.

        Parameters
        ----------
        number_or_stage : str or None
            ``"3"`` or ``"Production"``; not used if there is an alias.
        alias : str or None

        Raises
        ------
        TrackingError
            If the registry cannot be reached.
        """
        with self._translate_errors(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                if alias:
                    found = self._client.get_model_version_by_alias(self.name, alias)
                elif number_or_stage and number_or_stage.isdigit():
                    found = self._client.get_model_version(self.name, number_or_stage)
                else:
                    [found] = self._client.get_latest_versions(self.name, [number_or_stage])
            except (MlflowException, ValueError) as error:
                if isinstance(error, MlflowException) and error.error_code not in _NO_SUCH_VERSION:
                    raise
                return None
        return to_version(found, {})

    def uri(self, target: Move) -> str:
        """Return the ``models:/`` address of Staging or Production."""
        stage, alias = _STAGING if target == "staging" else _PRODUCTION
        return f"models:/{self.name}/{stage}" if self.has_stages else f"models:/{self.name}@{alias}"

    def require_served(self, target: Target, version: Version) -> None:
        """Check that stage and alias both name a version.

        Raises
        ------
        RegistryError
            If one of them names another version, or none.
        TrackingError
            If the registry cannot be reached.
        """
        stage, alias = _STAGING if target == "staging" else _PRODUCTION
        versions = self.versions()
        served = [v.number for v in versions if alias in v.aliases]
        if self.has_stages:  # MLflow serves the newest version of a stage
            served += [v.number for v in versions if v.stage == stage][-1:]
        if served != [version.number] * (1 + self.has_stages):
            raise RegistryError(
                f"{stage} does not lead to version {version.number}; somebody has moved stages or"
                " aliases by hand: run it again"
            )


def to_version(entry: Any, aliases: Mapping[str, str | int]) -> Version:
    """Convert MLflow's description of a version.

    Parameters
    ----------
    entry : mlflow.entities.model_registry.ModelVersion
    aliases : dict of str to str
        The registered model's aliases, with the number of the version for each.
    """
    number = int(entry.version)
    return Version(
        number=number,
        stage=entry.current_stage or STAGE_NONE,
        aliases=frozenset(alias for alias, of in aliases.items() if int(of) == number),
        description=entry.description or "",
        run_id=entry.run_id or "",
        tags=dict(entry.tags),
    )
