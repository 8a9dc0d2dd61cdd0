"""The process that finds reasons for a worker: questions come on stdin, answers go to stdout.

It says once that it has started, and ends when stdin does, so with its worker, however that ends.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import traceback
from pathlib import Path
from typing import BinaryIO

from churn.core.errors import ChurnError, ExplanationError
from churn.explanation.values import Explained, Explainer, prepare
from churn.model import artifact
from churn.model.artifact import Model
from churn.serve.rows import Rows

_logger = logging.getLogger(__name__)
HEAD = 8  # bytes, with the length of what follows
_KEPT = 2  # versions: the champion and a challenger
_NICE = 5  # predictions go first


def framed(value: object) -> bytes:
    """Return a value as it is sent: its length, and its bytes."""
    body = pickle.dumps(value)
    return len(body).to_bytes(HEAD, "big") + body


class Explainers:
    """The versions that were asked about last."""

    def __init__(self) -> None:
        self._loaded: dict[Path, tuple[Model, Explainer]] = {}

    def answer(self, folder: Path, rows: Rows) -> Explained | str | None:
        """Return the reasons, why there are none for this model, or None if something failed.

        Parameters
        ----------
        folder : Path
            Of the model.
        rows : Rows
        """
        try:
            model, explainer = self._of(folder)
            return explainer.explain(rows.frame(model.card))
        except ExplanationError as error:
            return str(error)
        except ChurnError as error:  # names files of this machine, which no caller shall read
            _logger.error("no reasons: %s", error)
        except Exception as error:  # the message may hold a customer's data
            place = "".join(traceback.format_tb(error.__traceback__))
            _logger.error("no reasons: %s\n%s", type(error).__name__, place)
        return None

    def _of(self, folder: Path) -> tuple[Model, Explainer]:
        found = self._loaded.pop(folder, None)
        if found is None:
            model = artifact.load(folder)
            found = model, Explainer(model)
        self._loaded[folder] = found
        for old in list(self._loaded)[:-_KEPT]:
            del self._loaded[old]
        return found


def run(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    explainers = Explainers()
    while len(head := questions.read(HEAD)) == HEAD:
        # Only the worker that has started this process writes here.
        folder, rows = pickle.loads(questions.read(int.from_bytes(head, "big")))  # noqa: S301
        answers.write(framed(explainers.answer(folder, rows)))
        answers.flush()


def main() -> None:
    """Run the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker ends it
    os.nice(_NICE)
    # What a library prints is no answer.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        prepare()
        answers.write(framed(None))
        answers.flush()
        run(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
