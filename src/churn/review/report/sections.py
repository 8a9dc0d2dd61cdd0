"""Put the sections of the report together, within a number of characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_LEAST_LINES = 6


@dataclass(frozen=True)
class Section:
    """A part of the report, as Markdown."""

    title: str  # empty for the head, which is never cut; trusted, because it may be put into HTML
    body: str
    weight: int  # the lightest section is cut first if the report is too long
    folded: bool = False
    whole: bool = False  # whether to leave it out rather than cut it


def joined(sections: Sequence[Section], limit: int) -> str:
    """Join sections to a text of at most `limit` characters.

    The lightest sections are cut or left out until it fits, and it says which; the first section
    always stays. Sections without a body are skipped.
    """
    sections = [section for section in sections if section.body]
    left_out: list[str] = []
    while (excess := len(text := _text(sections, left_out)) - limit) > 0 and sections[1:]:
        lightest = min(sections[1:], key=lambda section: section.weight)
        place = sections.index(lightest)
        if shorter := _cut_to(lightest, len(lightest.body) - excess):
            sections[place] = shorter
        else:
            del sections[place]
            left_out.append(lightest.title)
    return text


def _cut_to(section: Section, length: int) -> Section | None:
    """Keep the first lines of a section that fit; None if too few do."""
    lines = section.body.splitlines()
    note = "\n\n{} more lines are in `report.html`."
    kept, size = 0, len(note) + 10
    while kept < len(lines) and size + len(lines[kept]) + 1 <= length:
        size += len(lines[kept]) + 1
        kept += 1
    if section.whole or kept < _LEAST_LINES:
        return None
    body = "\n".join(lines[:kept]) + note.format(f"{len(lines) - kept:,}")
    return replace(section, body=body)


def _text(sections: Sequence[Section], left_out: Sequence[str]) -> str:
    parts = [_shown(section) for section in sections]
    if left_out:
        what = ", ".join(title.lower() for title in left_out)
        parts.append(
            f"Left out, because the length of a comment is limited: {what}. See `report.html`."
        )
    return "\n\n".join(parts) + "\n"


def _shown(section: Section) -> str:
    if not section.title:
        return section.body
    if section.folded:
        head = f"<details><summary>{section.title}</summary>"
        return f"{head}\n\n{section.body}\n\n</details>"
    return f"### {section.title}\n\n{section.body}"
