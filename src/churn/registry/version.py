"""A version of the registered model and its audit trail, as data; nothing here asks a server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

Target = Literal["staging", "production"]
Move = Literal[
    "registered",
    "staging",
    "tested",
    "production",
    "rollback",
    "restore",
    "withdrawn",
    "confirmed",
    "canary",
    "canary_stopped",
    "canary_ended",
]

CHAMPION, STAGING, PREVIOUS = "champion", "staging", "previous"
CHALLENGER = "challenger"  # answers a part of the customers, on trial
STAGE_NONE, STAGE_STAGING, STAGE_PRODUCTION, STAGE_ARCHIVED = (
    "None",
    "Staging",
    "Production",
    "Archived",
)
# Unity Catalog refuses a dot in a tag's name; older versions of this project wrote one.
_EVENT_PREFIX, _OLDER_PREFIX = "event_", "event."
# Unity Catalog refuses a tag's value of more than 1,000 characters, or with blanks around it.
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Event:
    """An entry of the audit trail.

    Attributes
    ----------
    what : str
        ``registered``, ``staging``, ``tested``, ``production``, ``rollback``, ``restore``,
        ``withdrawn``, ``confirmed``, ``canary``, ``canary_stopped`` (by a person, or by a server
        because the version failed) or ``canary_ended`` (because Production has changed).
    by : str
        Who did it.
    why : str
    when : str
        ISO 8601, UTC.
    replaced : int or None
        For ``production``, ``rollback`` and ``restore``: the version that was in Production before.
    """

    what: Move
    by: str
    why: str
    when: str
    replaced: int | None = None

    @classmethod
    def now(cls, what: Move, by: str, why: str, replaced: int | None = None) -> Event:
        """Return an event with the current time."""
        when = datetime.now(UTC).isoformat(timespec="microseconds")
        return cls(what, by, why[:_LONGEST_REASON].strip(), when, replaced)

    @classmethod
    def parse(cls, text: str) -> Event | None:
        """Read an event from a tag; None if the tag, which any user may write, is not an event."""
        try:
            found = cls(**json.loads(text))
            datetime.fromisoformat(found.when)
        except (ValueError, TypeError, RecursionError):
            return None
        return found

    @property
    def text(self) -> str:
        """The event as a tag's value."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def key(self) -> str:
        """The event's name as a tag: unique, sorted by time, and equal for an equal event."""
        digits = "".join(c for c in self.when.partition("+")[0] if c.isdigit() or c == "T")
        return f"{_EVENT_PREFIX}{digits}_{self.what}"


@dataclass(frozen=True)
class Canary:
    """A trial of a version in front of customers.

    Attributes
    ----------
    share : float
        Part of the customers for whom it predicts, in (0, 1].
    shadow : bool
        Whether the champion answers them all the same.
    """

    share: float
    shadow: bool

    @classmethod
    def parse(cls, text: str) -> Canary | None:
        """Read it from a tag; None if the tag, which any user may write, is none."""
        try:
            found = cls(**json.loads(text))
            is_share = type(found.share) in (int, float) and 0 < found.share <= 1
            return found if is_share and isinstance(found.shadow, bool) else None
        except (ValueError, TypeError, RecursionError):
            return None

    @property
    def text(self) -> str:
        """It as a tag's value."""
        return json.dumps(asdict(self))

    @property
    def described(self) -> str:
        """It in words."""
        who = f"{self.share:.3g} of the customers"
        return f"shadow of {who}" if self.shadow else f"for {who}"


@dataclass(frozen=True)
class Version:
    """A registered version, as it was when it was read."""

    number: int
    stage: str
    aliases: frozenset[str]
    description: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Digest of its model, recorded when it was registered."""
        return self.tags.get("model_digest", "")

    @property
    def events(self) -> list[Event]:
        """Its audit trail, oldest first."""
        found = [
            event
            for key, text in self.tags.items()
            if key.startswith((_EVENT_PREFIX, _OLDER_PREFIX)) and (event := Event.parse(text))
        ]
        return sorted(found, key=lambda event: event.when)

    @property
    def replaced(self) -> int | None:
        """The version that it has replaced in Production; None if there was none."""
        text = self.tags.get("replaced", "")
        return int(text) if text.isdigit() else None

    @property
    def canary(self) -> Canary | None:
        """Its trial; None if there is none."""
        return Canary.parse(self.tags.get("canary", "")) if CHALLENGER in self.aliases else None

    @property
    def was_in_production(self) -> bool:
        """Whether it is or was in Production, and did not fail there."""
        last = self.last("production", "rollback", "restore", "withdrawn")
        stayed = last is not None and last.what != "withdrawn"
        return stayed and self.tags.get("smoke") != "failed"

    def last(self, *what: Move) -> Event | None:
        """Return its newest event of the given kinds; None if there is none."""
        return next((e for e in reversed(self.events) if e.what in what), None)


def by_number(versions: Iterable[Version]) -> dict[int, Version]:
    """Index versions by their number."""
    return {version.number: version for version in versions}


def on_trial(versions: Iterable[Version]) -> Version | None:
    """Return the version with a canary."""
    return next((version for version in versions if version.canary is not None), None)


def in_production(versions: Sequence[Version]) -> Version | None:
    """Return the version with the alias ``champion``, else the newest one in the stage."""
    by_alias = [version for version in versions if CHAMPION in version.aliases]
    in_stage = [version for version in versions if version.stage == STAGE_PRODUCTION]
    return next(iter([*by_alias, *reversed(in_stage)]), None)
