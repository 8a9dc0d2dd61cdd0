"""Questions to the user, and the options that answer them without asking."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from churn.core.errors import ParamsError


@dataclass(frozen=True)
class Question:
    """What is unsure.

    Attributes
    ----------
    option : str
        What answers it on the command line, such as ``--target``.
    what : str
        What is unsure, as a clause.
    choices : sequence of str
        Possible answers.
    likely : str or None
        The answer that ``--yes`` takes; None if a wrong one would do harm.
    """

    option: str
    what: str
    choices: Sequence[str]
    likely: str | None = None

    @property
    def shown(self) -> str:
        """The possible answers, at most eight of them."""
        return ", ".join(self.choices[:8]) + (" …" if len(self.choices) > 8 else "")


@dataclass
class Asker:
    """Get answers: from a person, or from ``--yes``; what nobody answers is collected.

    Parameters
    ----------
    name : str
        The file, for messages.
    yes : bool
        Whether likely answers are taken.
    has_terminal : bool, optional
        Defaults to whether there is one.
    """

    name: str
    yes: bool
    has_terminal: bool = field(default_factory=lambda: sys.stdin.isatty() and sys.stdout.isatty())
    unanswered: list[Question] = field(default_factory=list)

    @property
    def _can_ask(self) -> bool:
        return self.has_terminal and not self.yes

    def answer(self, question: Question) -> str:
        """Return an answer; if there is none, one with which further questions can be found."""
        if self.yes and question.likely is not None:
            return question.likely
        if not self._can_ask:
            self.unanswered.append(question)
            return question.likely or question.choices[0]
        click.echo(f"{question.what}.", err=True)
        answered: str = click.prompt(
            f"{question.option} ({question.shown})",
            type=click.Choice(list(question.choices)),
            default=question.likely,
            show_choices=False,
            err=True,
        )
        return answered

    def agree(self, question: Question) -> bool:
        """Ask whether all choices are right; without a person it is collected."""
        if self._can_ask:
            return click.confirm(f"{question.what}: is that right?", default=True, err=True)
        self.unanswered.append(question)
        return True

    def finish(self, accepted: str) -> None:
        """Go on only if everything was answered, and a person or ``--yes`` agrees.

        Parameters
        ----------
        accepted : str
            The options that say what was understood.

        Raises
        ------
        ParamsError
            If not; names the options, in one line.
        """
        if self.unanswered:
            doubts = "; ".join(
                f"{one.what}: name {one.option} ({one.shown})" for one in self.unanswered
            )
            raise ParamsError(f"{self.name}: {doubts}; then add --yes")
        if self.yes:
            return
        if not self.has_terminal:
            raise ParamsError(
                f"{self.name}: there is no terminal to ask in; to go on with what was understood,"
                f" add {accepted} --yes"
            )
        if not click.confirm("Set the project up for this table?", default=True, err=True):
            raise click.Abort
