"""Which aliases, stages and tags the versions of a registry have to have; nothing is changed here.

The aliases ``champion`` and ``staging`` decide. Everything else follows from them.
"""

from __future__ import annotations

from collections.abc import Sequence

from churn.registry.version import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    STAGE_ARCHIVED,
    STAGE_PRODUCTION,
    STAGE_STAGING,
    STAGING,
    Event,
    Move,
    Version,
    by_number,
    in_production,
)

_CHANGES: tuple[Move, ...] = ("production", "rollback", "restore")


def is_done(event: Event, version: Version) -> bool:
    """Tell whether a move that was begun has changed the alias.

    Parameters
    ----------
    event : Event
        The move.
    version : Version
        The version that it moves, as it is now.
    """
    if event.what == "withdrawn":
        return CHAMPION not in version.aliases
    return (STAGING if event.what == "staging" else CHAMPION) in version.aliases


def tags_of_move(
    event: Event, version: Version, versions: Sequence[Version]
) -> list[tuple[Version, dict[str, str]]]:
    """Return the tags to write for a move that is done, in this order.

    Parameters
    ----------
    event : Event
        The move.
    version : Version
        The version that was moved.
    versions : sequence of Version
        All versions. A rollback also marks the version that it has replaced.
    """
    tags = [(version, {event.key: event.text})]
    if event.what != "withdrawn":
        promoted = {
            "promoted_by": event.by,
            "promoted_at": event.when,
            "promoted_why": event.why,
        }
        tags.append((version, promoted))
    if event.what == "production":
        replaced = "" if event.replaced is None else str(event.replaced)
        tags.append((version, {"replaced": replaced, "rolled_back": ""}))
    elif event.what == "restore":
        tags.append((version, {"rolled_back": ""}))
    elif event.what == "rollback" and (bad := by_number(versions).get(event.replaced or 0)):
        tags += [(bad, {"rolled_back": event.text}), (version, {"rolled_back": ""})]
    return tags


def alias_changes(versions: Sequence[Version]) -> dict[str, int | None]:
    """Return the aliases to set, with the version for each; None for one to delete.

    Parameters
    ----------
    versions : sequence of Version
        All versions.

    Returns
    -------
    dict of str to int or None
        ``staging`` if its version is now in Production, ``previous`` if it is not the version that
        Production's has replaced, and ``challenger`` if Production has changed since its canary
        began: that was a comparison with another version. Empty if nothing is in Production.
    """
    champion = in_production(versions)
    if champion is None:
        return {}
    current = {alias: version.number for version in versions for alias in version.aliases}
    changes: dict[str, int | None] = {}
    if current.get(STAGING) == champion.number:
        changes[STAGING] = None
    previous = champion.replaced if champion.replaced in by_number(versions) else None
    if current.get(PREVIOUS) != previous:
        changes[PREVIOUS] = previous
    challenger = by_number(versions).get(current.get(CHALLENGER, 0))
    if challenger is not None and _is_over(challenger, champion):
        changes[CHALLENGER] = None
    return changes


def _is_over(challenger: Version, champion: Version) -> bool:
    begun = challenger.last("canary")
    changed = champion.last(*_CHANGES)
    if challenger.number == champion.number or begun is None:
        return True
    return changed is not None and changed.when > begun.when


def ended_trial(versions: Sequence[Version]) -> tuple[Version, Event] | None:
    """Return the version whose trial ends by `alias_changes`, and what its audit trail lacks.

    Parameters
    ----------
    versions : sequence of Version
        All versions.

    Returns
    -------
    tuple of (Version, Event), or None
        None if no trial ends, or the trail says so already: the version was promoted, or an earlier
        call was killed after it had written this.
    """
    champion = in_production(versions)
    challenger = next((version for version in versions if CHALLENGER in version.aliases), None)
    if champion is None or challenger is None or not _is_over(challenger, champion):
        return None
    last, change = challenger.last("canary", "canary_ended"), champion.last(*_CHANGES)
    if champion.number == challenger.number or change is None:
        return None
    if last is not None and last.what == "canary_ended":
        return None
    why = f"version {champion.number} came into Production ({change.what}: {change.why})"
    return challenger, Event.now("canary_ended", change.by, why)


def stage_changes(versions: Sequence[Version]) -> list[tuple[Version, str]]:
    """Return the versions whose stage differs from their alias, with the right stage for each.

    Versions that leave a stage come last, so that no stage is empty in between.

    Parameters
    ----------
    versions : sequence of Version
        All versions.
    """
    entering, leaving = [], []
    for version in versions:
        if CHAMPION in version.aliases:
            wanted = STAGE_PRODUCTION
        elif STAGING in version.aliases:
            wanted = STAGE_STAGING
        elif version.stage in (STAGE_PRODUCTION, STAGE_STAGING):
            leaving.append((version, STAGE_ARCHIVED))
            continue
        else:
            continue
        if version.stage != wanted:
            entering.append((version, wanted))
    return entering + leaving
