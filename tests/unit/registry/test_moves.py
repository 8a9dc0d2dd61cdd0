"""Versions in a real store: which is in Production, how they move, what keeps them in step."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import mlflow
import pytest

from churn.core import params
from churn.core.errors import RegistryError, TrackingError
from churn.registry import Canary, Event, Registry, Version
from churn.tracking import connection
from tests.conftest import PARAMS
from tests.unit.repositories import write

pytestmark = pytest.mark.long

SETTINGS = params.load(PARAMS).release
MODEL = SETTINGS.model
PRODUCTION_ALIAS = "champion"


@pytest.fixture
def client(store: Path) -> mlflow.MlflowClient:
    """Return a client of a store of its own, in which nothing is registered."""
    connection.configure(store)
    return mlflow.MlflowClient()


@pytest.fixture
def registry(client: mlflow.MlflowClient, store: Path) -> Registry:
    """Return a registry with three versions that nobody has moved yet."""
    register(client, 3, store)
    return Registry(store, SETTINGS)


def register(client: mlflow.MlflowClient, versions: int, store: Path) -> None:
    client.create_registered_model(MODEL)
    for i in range(1, versions + 1):
        source = store / f"model-{i}"
        write(source, {"MLmodel": "x", "artifacts/model/model.json": f'{{"version": {i}}}'})
        client.create_model_version(MODEL, str(source))


def transition(client: mlflow.MlflowClient, version: int, stage: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated, and still asked for
        client.transition_model_version_stage(MODEL, str(version), stage)


def production(store: Path) -> Version | None:
    return Registry(store, SETTINGS).production()


def move(registry: Registry, number: int, what: Any) -> None:
    with registry.locked("me"):
        registry.move(registry.version(number), what, "me", "why not")


def standing(registry: Registry) -> dict[int, tuple[str, set[str]]]:
    return {v.number: (v.stage, set(v.aliases)) for v in registry.versions()}


def number(store: Path) -> str | None:
    found = production(store)
    return None if found is None else str(found.number)


def test_where_nothing_is_registered_nothing_is_in_production(
    client: mlflow.MlflowClient, store: Path
) -> None:
    assert production(store) is None


def test_a_model_without_versions_is_not_in_production(
    client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 0, store)
    assert production(store) is None


@pytest.mark.parametrize("stage", ["None", "Staging", "Archived"])
def test_a_version_elsewhere_is_not_in_production(
    stage: str, client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 2, store)
    transition(client, 2, stage)
    assert production(store) is None


def test_the_alias_says_which_version_it_is(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 3, store)
    client.set_registered_model_alias(MODEL, PRODUCTION_ALIAS, "2")
    assert number(store) == "2"
    client.set_registered_model_alias(MODEL, "challenger", "3")
    assert number(store) == "2"


def test_the_alias_goes_before_the_stage(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 2, store)
    transition(client, 2, "Production")
    client.set_registered_model_alias(MODEL, PRODUCTION_ALIAS, "1")
    assert number(store) == "1"


def test_without_an_alias_the_stage_says_it(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 2, store)
    transition(client, 1, "Production")
    assert number(store) == "1"


def test_of_several_in_the_stage_it_is_the_newest_by_number(
    client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 11, store)
    for version in (9, 10, 2):  # as text, 9 would be the largest
        transition(client, version, "Production")
    assert number(store) == "10"


def test_a_prompt_of_that_name_is_no_model(client: mlflow.MlflowClient, store: Path) -> None:
    assert hasattr(client, "_raise_if_prompt")  # which our client leaves out
    client.register_prompt(MODEL, "Will {{customer}} stay?")
    registry = Registry(store, SETTINGS)
    assert registry.versions() == []
    with (
        registry.locked("me"),
        pytest.raises(TrackingError, match=f"Registered Model with name='{MODEL}' not found"),
    ):
        registry.register(str(store), "", "", {})


def test_another_model_in_production_is_not_ours(client: mlflow.MlflowClient, store: Path) -> None:
    client.create_registered_model("other")
    write(store, {"other/MLmodel": "x"})
    client.create_model_version("other", str(store / "other"))
    client.set_registered_model_alias("other", PRODUCTION_ALIAS, "1")
    assert production(store) is None


def test_a_version_s_files_are_copied(
    client: mlflow.MlflowClient, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    register(client, 2, store)
    client.set_registered_model_alias(MODEL, PRODUCTION_ALIAS, "2")
    found = production(store)
    assert found is not None
    folder = Registry(store, SETTINGS).download(found, tmp_path_factory.mktemp("there"))
    assert (folder / "artifacts" / "model" / "model.json").read_text() == '{"version": 2}'


def test_a_registry_that_cannot_be_reached_is_an_error_and_not_none(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(None)
    with pytest.raises(TrackingError):
        production(store)


def test_a_registry_that_stops_answering_half_way_is_an_error(
    client: mlflow.MlflowClient, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client, 1, store)
    transition(client, 1, "Production")

    def broken(*_: object, **__: object) -> None:
        raise mlflow.exceptions.MlflowException("server error", error_code=1)

    monkeypatch.setattr(mlflow.MlflowClient, "search_model_versions", broken)
    with pytest.raises(TrackingError, match="server error"):
        production(store)


def test_a_version_goes_through_staging_to_production_and_the_one_before_is_archived(
    registry: Registry,
) -> None:
    for number in (1, 2):
        move(registry, number, "staging")
        assert standing(registry)[number] == ("Staging", {"staging"})
        move(registry, number, "production")
    assert standing(registry) == {
        1: ("Archived", {"previous"}),
        2: ("Production", {"champion"}),
        3: ("None", set()),
    }
    assert registry.version(2).replaced == 1


def test_one_in_staging_is_archived_when_another_comes(registry: Registry) -> None:
    move(registry, 1, "staging")
    move(registry, 2, "staging")
    assert standing(registry)[1] == ("Archived", set())
    assert standing(registry)[2] == ("Staging", {"staging"})


def test_a_rollback_brings_back_what_was_there_and_marks_what_was_not_good(
    registry: Registry,
) -> None:
    for number in (1, 2, 3):
        move(registry, number, "production")
    move(registry, 2, "rollback")
    assert standing(registry) == {
        1: ("Archived", {"previous"}),
        2: ("Production", {"champion"}),
        3: ("Archived", set()),
    }
    mark = Event.parse(registry.version(3).tags["rolled_back"])
    assert mark is not None
    assert (mark.by, mark.why, mark.replaced) == ("me", "why not", 3)
    move(registry, 1, "rollback")
    assert standing(registry)[1] == ("Production", {"champion"})
    assert not any("previous" in aliases for _, aliases in standing(registry).values())


def marked(registry: Registry) -> set[int]:
    return {v.number for v in registry.versions() if v.tags.get("rolled_back")}


def test_a_restored_version_is_unmarked_and_nothing_is_said_of_what_it_replaces(
    registry: Registry,
) -> None:
    for number in (1, 2, 3):
        move(registry, number, "production")
    move(registry, 2, "rollback")
    assert marked(registry) == {3}
    move(registry, 3, "restore")
    assert marked(registry) == set()


def test_an_earlier_version_that_was_released_again_can_be_rolled_back_from(
    registry: Registry,
) -> None:
    for number in (1, 2, 1):
        move(registry, number, "production")
    move(registry, 2, "rollback")
    assert marked(registry) == {1}


@pytest.mark.parametrize("stages", [True, False])
def test_a_first_version_that_is_withdrawn_is_in_the_audit_trail(
    stages: bool, client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 1, store)
    registry = Registry(store, SETTINGS.model_copy(update={"stages": stages}))
    move(registry, 1, "production")
    with registry.locked("me"):
        registry.withdraw(registry.version(1), "me", "it did not load")
    assert registry.production() is None
    assert standing(registry)[1] == ("Archived" if stages else "None", set())
    assert [(e.what, e.why) for e in registry.version(1).events] == [
        ("production", "why not"),
        ("withdrawn", "it did not load"),
    ]


def test_what_is_killed_while_it_withdraws_leaves_the_version_where_it_was(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(registry, 1, "production")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, registry.locked("me"):
        patch.setattr(Registry, "delete_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.withdraw(registry.version(1), "me", "it did not load")
    with registry.locked("me"):
        pass
    assert standing(registry)[1] == ("Production", {"champion"})
    assert "pending" not in registry.version(1).tags
    assert [e.what for e in registry.version(1).events] == ["production"]


def test_without_stages_aliases_say_it_all(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 2, store)
    registry = Registry(store, SETTINGS.model_copy(update={"stages": False}))
    for number in (1, 2):
        move(registry, number, "staging")
        assert registry.version(number).aliases == {"staging"}
        move(registry, number, "production")
    assert standing(registry) == {1: ("None", {"previous"}), 2: ("None", {"champion"})}
    assert registry.uri("production") == f"models:/{MODEL}@champion"
    assert registry.uri("staging") == f"models:/{MODEL}@staging"


def test_with_stages_models_are_served_by_their_stage(registry: Registry) -> None:
    assert registry.uri("production") == f"models:/{MODEL}/Production"
    assert registry.uri("staging") == f"models:/{MODEL}/Staging"


def test_each_move_is_in_the_audit_trail(registry: Registry) -> None:
    move(registry, 1, "staging")
    move(registry, 1, "production")
    move(registry, 2, "production")
    move(registry, 1, "rollback")
    assert [e.what for e in registry.version(1).events] == ["staging", "production", "rollback"]
    assert [e.replaced for e in registry.version(1).events] == [None, None, 2]
    assert registry.version(1).tags["promoted_by"] == "me"
    assert registry.version(1).tags["promoted_why"] == "why not"


@pytest.mark.parametrize("what", ["production", "rollback", "restore"])
def test_a_change_of_production_ends_a_trial_and_the_trail_says_so(
    what: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(registry, 1, "production")
    with registry.locked("me"):
        registry.start_canary(registry.version(3), Canary(0.1, False), "me", "to see")
        registry.reconcile()  # nothing has changed yet
        assert registry.version(3).canary is not None

    def killed(alias: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, "delete_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            move(registry, 2, what)
    move(registry, 2, what)  # the next one completes it
    version = registry.version(3)
    assert version.canary is None
    assert [event.what for event in version.events] == ["canary", "canary_ended"]
    last = version.events[-1]
    assert (last.by, last.why) == ("me", f"version 2 came into Production ({what}: why not)")


def test_a_trial_after_one_that_has_ended_ends_as_well(registry: Registry) -> None:
    move(registry, 1, "production")
    for number in (2, 1):
        with registry.locked("me"):
            registry.start_canary(registry.version(3), Canary(0.1, False), "me", "to see")
        move(registry, number, "production")
    assert [event.what for event in registry.version(3).events] == ["canary", "canary_ended"] * 2


def test_a_registry_from_before_aliases_gets_one(
    client: mlflow.MlflowClient, registry: Registry
) -> None:
    transition(client, 2, "Production")
    with registry.locked("me"):
        pass
    assert standing(registry)[2] == ("Production", {"champion"})


def test_a_hand_on_the_stages_is_put_right_by_the_next_move(
    client: mlflow.MlflowClient, registry: Registry
) -> None:
    move(registry, 1, "production")
    transition(client, 3, "Production")
    transition(client, 1, "Archived")
    with registry.locked("me"):
        pass
    assert standing(registry) == {
        1: ("Production", {"champion"}),
        2: ("None", set()),
        3: ("Archived", set()),
    }


def begin_move(client: mlflow.MlflowClient, number: int) -> None:
    pending = Event.now("production", "me", "why not", 1).text
    client.set_model_version_tag(MODEL, str(number), "pending", pending)


def test_a_move_whose_switch_was_not_done_leaves_no_trace(
    client: mlflow.MlflowClient, registry: Registry
) -> None:
    move(registry, 1, "production")
    begin_move(client, 2)
    with registry.locked("me"):
        pass
    assert registry.version(2).tags == {}
    assert standing(registry)[1] == ("Production", {"champion"})


def test_a_move_whose_switch_was_done_is_finished(
    client: mlflow.MlflowClient, registry: Registry
) -> None:
    move(registry, 1, "production")
    begin_move(client, 2)
    client.set_registered_model_alias(MODEL, "champion", "2")
    with registry.locked("me"):
        pass
    assert standing(registry)[1] == ("Archived", {"previous"})
    assert standing(registry)[2] == ("Production", {"champion"})
    assert [event.what for event in registry.version(2).events] == ["production"]


def test_an_event_is_a_tag_that_unity_catalog_takes_and_older_ones_are_read(
    client: mlflow.MlflowClient, registry: Registry
) -> None:
    event = Event.now("production", "me", 'é"' * 149 + "  and so on", 1)
    assert event.why == 'é"' * 149
    assert not set(event.key) & set(".,-=/: ")
    assert len(event.text) < 1000
    older = Event("staging", "me", "before", "2026-01-31T10:00:00+00:00")
    client.set_model_version_tag(MODEL, "1", "event.20260131T100000.staging", older.text)
    registry.record(registry.version(1), event)
    assert registry.version(1).events == [older, event]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"what": "production"}', "x" * 4000])
def test_tags_of_anybody_else_are_no_events(
    text: str, client: mlflow.MlflowClient, registry: Registry
) -> None:
    for key in ("pending", "event.1", "event_1", "rolled_back", "replaced"):
        client.set_model_version_tag(MODEL, "1", key, text or " ")
    client.set_registered_model_alias(MODEL, "champion", "1")
    with registry.locked("me"):
        assert registry.version(1).events == []
    assert standing(registry)[1] == ("Production", {"champion"})


def test_a_version_that_is_not_there_is_named_with_those_that_are(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="has no version 7"):
        registry.version(7)


def test_outside_the_lock_nothing_moves(registry: Registry) -> None:
    with pytest.raises(RuntimeError, match="locked"):
        registry.move(registry.version(1), "production", "me", "why not")


def test_more_versions_than_a_page_are_all_found(
    client: mlflow.MlflowClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("churn.registry.reader.PAGE", 2)
    assert [version.number for version in registry.versions()] == [1, 2, 3]


def test_another_model_of_the_registry_is_left_alone(
    client: mlflow.MlflowClient, registry: Registry, store: Path
) -> None:
    client.create_registered_model("other")
    client.create_model_version("other", str(store / "model-1"))
    client.set_registered_model_alias("other", "champion", "1")
    move(registry, 2, "production")
    aliases = client.get_registered_model("other").aliases
    assert {name: int(number) for name, number in aliases.items()} == {"champion": 1}
