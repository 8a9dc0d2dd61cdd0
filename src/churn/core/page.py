"""Render the page of a package from its template, ``page.html.j2``."""

from __future__ import annotations

import base64
from importlib.resources import files

from jinja2 import Environment, StrictUndefined


def render(package: str, **values: object) -> str:
    """Render a page without external links; all text is escaped.

    Parameters
    ----------
    package : str
        The package with the template. In it, the filter ``png`` gives a picture's bytes as Base64.
    **values
        What the template names.
    """
    template = files(package).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["png"] = lambda picture: base64.b64encode(picture).decode()
    return environment.from_string(template).render(**values)
