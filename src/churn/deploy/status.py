"""Print what is in Production, its lineage, and the audit trail (`status` and `history`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from churn.core.errors import RegistryError
from churn.evaluation.metric_names import SHOWN, TITLES
from churn.registry import Move, Registry, Version
from churn.registry.version import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    STAGING,
    by_number,
    in_production,
)
from churn.review.report.tables import table
from churn.review.report.text import code, number, prose

Metrics = Mapping[str, float]

_EMPTY = "nothing is registered yet; churn release registers a model"


_PLACES: tuple[tuple[str, str, tuple[Move, ...]], ...] = (
    ("Production", CHAMPION, ("production", "rollback", "restore")),
    ("before it", PREVIOUS, ("production", "rollback", "restore")),
    ("Staging", STAGING, ("staging",)),
)
_CANARY: tuple[str, str, tuple[Move, ...]] = ("canary", CHALLENGER, ("canary",))
_COLUMNS = ("", "version", "model", "commit", "since (UTC)", "by")


def show(registry: Registry, console: Console) -> None:
    """Print the versions in Production and Staging, the previous one, and Production's lineage.

    Raises
    ------
    TrackingError
        If the registry cannot be reached.
    """
    versions = registry.versions()
    if not versions:
        console.print(_EMPTY)
        return
    _print(console, _COLUMNS, _places(versions))
    if champion := in_production(versions):
        lines = Table.grid(padding=(0, 2))
        for name, value in lineage(champion).items():
            lines.add_row(name, Text(value))
        console.print(lines)
    for warning in warnings(versions, registry.has_stages):
        console.print(Text(warning, style="yellow"), soft_wrap=True)


def markdown(
    versions: list[Version], has_stages: bool, title: str, metrics: Mapping[int, Metrics]
) -> str:
    """Return the summary of a workflow run as Markdown; texts from the registry are escaped.

    It describes the version to be decided on: the version in Staging, or, after a move, the
    version in Production.

    Parameters
    ----------
    versions : list of Version
    has_stages : bool
        Whether the registry has stages beside aliases.
    title : str
        The heading.
    metrics : mapping of int to mapping of str to float
        Metrics on held-out customers by version number; shown as unknown for other versions.
    """
    rows = [[row[0], *(cell and code(cell) for cell in row[1:])] for row in _places(versions)]
    lines = [f"## {prose(title)}", ""]
    if decision := decided_on(versions):
        lines += [prose(decision.sentence), "", _metrics(decision, metrics), ""]
    lines.append(table(_COLUMNS, rows))
    if decision:
        lines += ["", f"### Lineage of version {decision.version.number}", ""]
        lines += [
            f"- {name}: {code(value, 200)}" for name, value in lineage(decision.version).items()
        ]
    lines += ["", *(f"> {prose(warning)}" for warning in warnings(versions, has_stages))]
    return "\n".join(lines).rstrip() + "\n"


@dataclass(frozen=True)
class Decision:
    """A version to be approved, or that was moved into Production.

    Attributes
    ----------
    version : Version
    replaced : Version or None
        The version that it replaces.
    sentence : str
    """

    version: Version
    replaced: Version | None
    sentence: str


def decided_on(versions: list[Version]) -> Decision | None:
    """Return the version to be decided on; None if nothing is in Staging or Production."""
    champion = in_production(versions)
    staged = next((v for v in versions if STAGING in v.aliases), None)
    if staged is not None and staged != champion:
        now = "Nothing is in Production yet."
        if champion is not None:
            now = f"In Production it would replace version {champion.number}."
        return Decision(staged, champion, f"Version {staged.number} is in Staging. {now}")
    if champion is None:
        return None
    event = champion.last("production", "rollback", "restore")
    replaced = None if event is None else by_number(versions).get(event.replaced or 0)
    if event is None:  # moved by other means than this project's
        what = "is in Production."
    else:
        verb = "replaced" if event.what == "production" else "was put back in place of"
        what = f"{verb} version {replaced.number}" if replaced else "is the first in Production"
        what += f", by {event.by}: {event.why}"
    return Decision(champion, replaced, f"Version {champion.number} {what}")


def _metrics(decision: Decision, metrics: Mapping[int, Metrics]) -> str:
    columns = [v for v in (decision.version, decision.replaced) if v is not None]
    rows = []
    for name in SHOWN:
        values = [metrics.get(version.number, {}).get(f"test_{name}") for version in columns]
        if not any(value is not None for value in values):
            continue
        rows.append([TITLES[name], *("unknown" if v is None else number(v) for v in values)])
    rows = rows or [["all metrics", *("unknown" for _ in columns)]]
    return table(
        ["held-out customers", *(f"version {version.number}" for version in columns)], rows
    )


def _places(versions: Sequence[Version]) -> list[list[str]]:
    """Return one row per place: its version, since when, and who moved it there."""
    rows = []
    tried = any(CHALLENGER in version.aliases for version in versions)
    for title, alias, moves in (*_PLACES, *([_CANARY] if tried else [])):
        found = next((v for v in versions if alias in v.aliases), None)
        if found is None:
            rows.append([title, "none", "", "", "", ""])
            continue
        event = found.last(*moves)
        since = [_time(event.when), event.by] if event else ["", ""]
        commit = found.tags.get("commit", "")[:12]
        rows.append([title, str(found.number), found.digest[:12], commit, *since])
    return rows


def warnings(versions: list[Version], has_stages: bool) -> list[str]:
    """List incomplete moves, and stages that disagree with aliases after a change in MLflow's UI.

    Stages are checked only if the registry has them.
    """
    found = []
    if any("pending" in version.tags for version in versions):
        found.append("a move is incomplete; the next command that moves a version completes it")
    if not has_stages:
        return found
    stage_of = {STAGING: "Staging", CHAMPION: "Production"}
    for version in versions:
        stages = {stage_of[alias] for alias in version.aliases if alias in stage_of}
        if stages != {version.stage} & set(stage_of.values()):
            found.append(
                f"version {version.number} is in stage {version.stage}, but its alias says"
                f" {', '.join(stages) or 'neither Staging nor Production'}; the alias counts"
            )
    return found


def lineage(version: Version) -> dict[str, str]:
    """Return where a version comes from: version ← candidate ← pull request ← commit ← data."""
    tags = version.tags
    number, run = tags.get("pull_request"), tags.get("candidate_run")
    card = tags.get("model_card")
    tested, registered = version.last("tested"), version.last("registered")
    return {
        "version": f"{version.number}, model {version.digest or 'unknown'}",
        "candidate": f"{tags.get('candidate', 'unknown')}{f', run {run}' if run else ''},"
        f" fingerprint {tags.get('fingerprint', 'unknown')[:12]}",
        "how": registered.why if registered else "unknown",
        "pull request": f"number {number}" if number else "none",
        "model card": f"{card} in the artifacts of run {version.run_id}" if card else "none",
        "commit": tags.get("commit", "unknown"),
        "data": tags.get("data_md5", "unknown"),
        "tests": tested.why if tested else "not tested",
        "smoke test": tags.get("smoke", "not run"),
    }


def history(registry: Registry, console: Console) -> None:
    """Print the audit trail of all versions, oldest first.

    Raises
    ------
    RegistryError
        If nothing is registered.
    """
    versions = registry.versions()
    if not versions:
        raise RegistryError(_EMPTY)
    entries = [(event, str(version.number)) for version in versions for event in version.events]
    rows = [
        [_time(event.when), number, event.what, event.by, event.why]
        for event, number in sorted(entries, key=lambda pair: pair[0].when)
    ]
    _print(console, ("when (UTC)", "version", "what", "by", "why"), rows)


def _print(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(name, no_wrap=name != "why")
    for row in rows:
        shown.add_row(*map(Text, row))
    console.print(shown)


def _time(when: str) -> str:
    return f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M:%S}"
