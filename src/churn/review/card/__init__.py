"""The model card: what somebody has to know who uses a model, made from the pipeline's results.

`gather` reads them, `markdown` writes the card. No number in it is typed by hand.
"""

from __future__ import annotations

from churn.core.files import atomic
from churn.core.paths import Workspace
from churn.review.card import gather, markdown


def write(workspace: Workspace) -> None:
    """Write the card of a judged candidate to ``build/model_card.md``.

    Parameters
    ----------
    workspace : Workspace
        With the results of the stages, `compare` and `gate`.

    Raises
    ------
    ChurnError
        If a result is missing or damaged; then there is no card.
    """
    text = markdown.render(gather.gather(workspace))
    with atomic(workspace.model_card) as fresh:
        fresh.write_text(text, encoding="utf-8")
