"""Which aliases, stages and tags versions must have, without a registry."""

from __future__ import annotations

import pytest

from churn.registry import Event, Move, Version, rules


def version(number: int, stage: str = "None", *aliases: str, replaced: str = "") -> Version:
    return Version(number, stage, frozenset(aliases), "", "run", {"replaced": replaced})


@pytest.mark.parametrize(
    ("what", "aliases", "done"),
    [
        ("staging", ["staging"], True),
        ("staging", ["champion"], False),
        ("production", ["champion"], True),
        ("rollback", [], False),
        ("withdrawn", [], True),
        ("withdrawn", ["champion"], False),
    ],
)
def test_the_alias_says_whether_a_move_is_done(what: Move, aliases: list[str], done: bool) -> None:
    assert rules.is_done(Event.now(what, "me", "why"), version(1, "None", *aliases)) is done


def test_a_rollback_marks_the_version_that_it_has_replaced_and_no_other() -> None:
    bad, good = version(2), version(1)
    event = Event.now("rollback", "me", "why", replaced=2)
    marked = {
        moved.number: tags["rolled_back"]
        for moved, tags in rules.tags_of_move(event, good, [good, bad])
        if "rolled_back" in tags
    }
    assert marked == {2: event.text, 1: ""}
    restored = Event.now("restore", "me", "why", replaced=2)
    tags = rules.tags_of_move(restored, good, [good, bad])
    assert {moved.number for moved, _ in tags} == {1}


def test_the_aliases_follow_the_champion() -> None:
    first, second = version(1), version(2, "None", "champion", "staging", replaced="1")
    assert rules.alias_changes([first, second]) == {"staging": None, "previous": 1}
    assert rules.alias_changes([version(1, "None", "previous"), second]) == {"staging": None}
    alone = version(2, "None", "champion", replaced="9")
    assert rules.alias_changes([version(1, "None", "previous"), alone]) == {"previous": None}
    assert rules.alias_changes([first]) == {}


def test_versions_enter_their_stages_before_others_leave() -> None:
    old, new = version(1, "Production"), version(2, "Staging", "champion")
    assert rules.stage_changes([old, new]) == [(new, "Production"), (old, "Archived")]
    assert rules.stage_changes([version(3, "Production", "champion")]) == []
