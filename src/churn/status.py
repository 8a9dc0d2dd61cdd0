"""Commands `status` and `history`: what is in Production, where it came from, what happened."""

from __future__ import annotations

from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table

from churn.errors import RegistryError
from churn.registry import Registry, Version
from churn.registry.version import CHAMPION, PREVIOUS, STAGING

_EMPTY = "nothing is registered yet: churn release does it"


def show(registry: Registry, console: Console) -> None:
    """Print what is in Production with its lineage, and what is in Staging and before it.

    Raises
    ------
    TrackingError
        If the registry cannot be reached.
    """
    versions = registry.versions()
    if not versions:
        console.print(_EMPTY)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "version", "model", "commit", "since", "by"):
        table.add_column(name, no_wrap=True)
    for title, alias, what in (
        ("Production", CHAMPION, ("production", "rollback")),
        ("before it", PREVIOUS, ("production", "rollback")),
        ("Staging", STAGING, ("staging",)),
    ):
        found = next((v for v in versions if alias in v.aliases), None)
        if found is None:
            table.add_row(title, "none")
            continue
        event = found.last(*what)
        since, by = (_time(event.when), event.by) if event else ("", "")
        commit = found.tags.get("commit", "")[:12]
        table.add_row(title, str(found.number), found.digest[:12], commit, since, by)
    console.print(table)
    champion = registry.production()
    if champion is not None:
        console.print(_lineage(champion))
    for warning in warnings(versions, registry.has_stages):
        console.print(f"[yellow]{warning}[/]", soft_wrap=True)


def warnings(versions: list[Version], has_stages: bool) -> list[str]:
    """Say where stages and aliases are out of step, as after a hand on the registry's own pages."""
    found = []
    if any("pending" in version.tags for version in versions):
        found.append("a move has begun and not ended; the next command that moves one mends it")
    if not has_stages:
        return found
    wanted = {STAGING: "Staging", CHAMPION: "Production"}
    for version in versions:
        stages = {wanted[alias] for alias in version.aliases if alias in wanted}
        is_in = {version.stage} & set(wanted.values())
        if stages != is_in:
            found.append(
                f"version {version.number} is in stage {version.stage}, and its alias says"
                f" {', '.join(stages) or 'neither Staging nor Production'}; the alias counts"
            )
    return found


def _lineage(version: Version) -> Table:
    """Lay out version ← candidate ← pull request ← commit ← data."""
    tags = version.tags
    lines = Table.grid(padding=(0, 2))
    candidate = f"{tags.get('candidate', 'unknown')}, run {tags.get('candidate_run') or 'here'}"
    number = tags.get("pull_request")
    rows = {
        "version": f"{version.number}, model {version.digest}",
        "candidate": f"{candidate}, fingerprint {tags.get('fingerprint', 'unknown')[:12]}",
        "pull request": f"#{number}" if number else "none",
        "commit": tags.get("commit", "unknown"),
        "data": tags.get("data_md5", "unknown"),
        "tests": next(
            (e.why for e in reversed(version.events) if e.what == "tested"), "not tested"
        ),
        "smoke test": tags.get("smoke", "not run"),
    }
    for name, value in rows.items():
        lines.add_row(name, value)
    return lines


def history(registry: Registry, console: Console) -> None:
    """Print the audit trail of all versions, oldest first.

    Raises
    ------
    RegistryError
        If there is none.
    """
    versions = registry.versions()
    if not versions:
        raise RegistryError(_EMPTY)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("when", "version", "what", "by", "why"):
        table.add_column(name, no_wrap=name != "why")
    told = [(event, version) for version in versions for event in version.events]
    for event, version in sorted(told, key=lambda pair: pair[0].when):
        table.add_row(_time(event.when), str(version.number), event.what, event.by, event.why)
    console.print(table)


def _time(when: str) -> str:
    return f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M:%S}"
