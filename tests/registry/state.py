"""What a registry holds, to be compared, and to be put back for the next test."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

MODEL = "churn-predictor"
LOCK = f"{MODEL}-release-lock"


@dataclass(frozen=True)
class Version:
    """A version; `description` and `source` are of no interest where two states are compared."""

    number: int
    stage: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    run_id: str
    description: str = field(compare=False)
    source: str = field(compare=False)


def look(client: MlflowClient) -> list[Version]:
    """Return all versions, oldest first."""
    try:
        aliases = client.get_registered_model(MODEL).aliases
    except MlflowException:
        return []
    return sorted(
        (_version(found, aliases) for found in client.search_model_versions(f"name = '{MODEL}'")),
        key=lambda version: version.number,
    )


def _version(found: Any, aliases: dict[str, str]) -> Version:
    number = int(found.version)
    return Version(
        number=number,
        stage=found.current_stage,
        aliases=tuple(sorted(name for name, of in aliases.items() if int(of) == number)),
        tags=dict(found.tags),
        run_id=found.run_id,
        description=found.description,
        source=found.source,
    )


def production(client: MlflowClient) -> int | None:
    """Return the version that both its alias and its stage say, which have to agree."""
    versions = look(client)
    by_alias = [one.number for one in versions if "champion" in one.aliases]
    by_stage = [one.number for one in versions if one.stage == "Production"]
    assert by_alias == by_stage
    return next(iter(by_alias), None)


def is_locked(client: MlflowClient) -> bool:
    return bool(client.search_registered_models(f"name = '{LOCK}'"))


def put_back(client: MlflowClient, versions: list[Version]) -> None:
    """Let the registry hold these versions and nothing else."""
    for name in (MODEL, LOCK):
        try:
            client.delete_registered_model(name)
        except MlflowException:  # it is not there
            continue
    if not versions:
        return
    client.create_registered_model(MODEL)
    for one in versions:
        client.create_model_version(
            MODEL, one.source, one.run_id, one.tags, description=one.description,
            model_id=one.source.partition(":/")[2],
        )  # fmt: skip
        for alias in one.aliases:
            client.set_registered_model_alias(MODEL, alias, str(one.number))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated
            client.transition_model_version_stage(MODEL, str(one.number), one.stage)
