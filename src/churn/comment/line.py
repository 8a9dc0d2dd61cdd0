"""One line of a report made inert: what may come alive is listed here, all else is shown."""

from __future__ import annotations

import re
import sys
import unicodedata

from churn.comment.artifact import RefusedError, has_hidden_characters

# Between "@" and a name, "#" and a number: nobody sees it, and GitHub finds no mention.
_BREAK = "\u200b"
# What follows may be written by its number; behind "@" it may as well be such a break already.
_LIVE = (
    r"@(?!\u200b|&\#8203;|[\s<]|$)|:(?=(?:/|&\#47;){2})|\#(?=\d)"
    r"|(?i:www)(?=\.|&\#46;)|(?i:gh)(?=(?:-|&\#45;)\d)"
)
_LONGEST_BEHIND = 20
_TOKEN = re.compile(
    rf"""
      \\(?P<escaped>[!-/:-@\[-`{{-~])
    | &\#(?P<number>[1-9]\d{{1,6}});
    | (?P<tag><(?P<close>/?)(?P<name>code|details|summary|sub|sup)>|<br[ ]?/?>)
    | (?<!`)(?P<ticks>`+)(?P<code>[^`|]+)(?P=ticks)(?!`)
    | (?<![^\s|])(?P<address>https?://[\w./:-]+)/actions/runs/\d+(?=[\s|]|$)
    | (?P<live>{_LIVE})
    | (?P<special>[&\[\]<$~`])
    | (?P<image>!(?=\[))
    """,
    re.VERBOSE | re.ASCII,
)


def make_inert(line: str, repository: str, tags: list[str]) -> str:
    """Make a line inert that stands outside of fenced blocks.

    Parameters
    ----------
    line : str
    repository : str
        Address of the repository.
    tags : list of str
        Names of the HTML tags that are open; changed.

    Raises
    ------
    RefusedError
        If a tag is closed that is not open, or a hidden or control character is written by its
        number.
    """

    def replace(token: re.Match[str]) -> str:
        if token["escaped"]:
            return _literal(token["escaped"])
        if token["number"]:
            return token[0] if _is_dead(token) else f"&#38;{_TOKEN.sub(replace, token[0][1:])}"
        if token["tag"]:
            _follow(token, tags)
            return token[0]
        if token["ticks"]:
            # Within HTML, GitHub takes code for text, and reads tags and entities in it.
            shown = re.sub(rf"{_LIVE}|&(?=[\#\w])", rf"\g<0>{_BREAK}", token["code"])
            shown = re.sub(r"<(?=[a-zA-Z/!?])", "\u2039", shown)
            return f"{token['ticks']}{shown}{token['ticks']}"
        if token["address"]:
            ours = token["address"] == repository
            return token[0] if ours else f"h{_TOKEN.sub(replace, token[0][1:])}"
        return token[0] + _BREAK if token["live"] else f"&#{ord(token[0])};"

    return _TOKEN.sub(replace, line)


def _follow(tag: re.Match[str], tags: list[str]) -> None:
    if tag["name"] and not tag["close"]:
        tags.append(tag["name"])
    elif tag["name"] and (not tags or tags.pop() != tag["name"]):
        raise RefusedError("the report closes an HTML tag that is not open")


def _literal(sign: str) -> str:
    """Show a sign that was written with a backslash, and nothing else."""
    return f"{_BREAK}{sign}{_BREAK}" if sign in "@#:/.-" else f"&#{ord(sign)};"


def _is_dead(reference: re.Match[str]) -> bool:
    """Tell whether a reference by number is as the report writes them, and does nothing.

    A browser reads more than the report writes: without a semicolon, with zeros in front, in
    hexadecimal, by name. None of that gets here; its "&" is shown as one.
    """
    number = int(reference["number"])
    sign = chr(number) if number <= sys.maxunicode else ""
    if has_hidden_characters(sign):
        raise RefusedError(
            "the report holds hidden or control characters, written by their numbers"
        )
    if not sign or sign.isalnum() or sign.isspace() or unicodedata.category(sign) in ("Cs", "Co"):
        return False
    behind = reference.string[reference.end() : reference.end() + _LONGEST_BEHIND]
    return not re.match(_LIVE, sign + behind, re.ASCII)
