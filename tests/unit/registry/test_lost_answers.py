"""The lock where the server's answers are lost, or where it says no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from churn.core.errors import NoAnswerError, RegistryError
from churn.registry import lock
from churn.tracking import connection

NAME = "m-release-lock"


@pytest.fixture
def client(store: Path) -> mlflow.MlflowClient:
    connection.configure(store)
    return mlflow.MlflowClient()


@pytest.mark.slow
def test_one_that_was_made_while_the_answer_was_lost_is_ones_own(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = client.create_registered_model

    def asked_twice(*arguments: Any, **options: Any) -> None:
        make(*arguments, **options)
        make(*arguments, **options)

    monkeypatch.setattr(client, "create_registered_model", asked_twice)
    with lock.held(client, "m", "me") as held:
        held.require()
    assert client.search_registered_models() == []


def test_a_server_that_does_not_answer_is_not_asked_to_give_it_back(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fall_silent() -> None:
        monkeypatch.setattr(client, "get_registered_model", asked.append)
        monkeypatch.setattr(client, "delete_registered_model", asked.append)
        raise NoAnswerError

    with pytest.raises(NoAnswerError), lock.held(client, "m", "me"):
        fall_silent()
    assert asked == []


@pytest.mark.slow
def test_who_may_not_delete_what_was_left_is_told_who_may(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "is_alive", lambda pid: False)
    left = vars(lock.Holder.this_process("ann"))
    client.create_registered_model(NAME, description=json.dumps(left))

    def refuse(name: str) -> None:
        raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    monkeypatch.setattr(client, "delete_registered_model", refuse)
    with (
        pytest.raises(RegistryError, match=r"left by a killed release of ann, .* administrator"),
        lock.held(client, "m", "me"),
    ):
        pass
