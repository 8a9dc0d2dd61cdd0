"""Where a released model comes from: version ← candidate ← pull request ← commit ← data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from churn import bundle
from churn.errors import CandidateError
from churn.files import write_json


@dataclass(frozen=True)
class Source:
    """How a candidate was got.

    Attributes
    ----------
    how : str
        ``reviewed`` where it is the artifact of a pull request's run, byte for byte; ``reproduced``
        where it was made again; ``local`` at the desk.
    why : str
        Of what was reproduced: why the reviewed one was not taken.
    pull_request : int or None
    run : str
        Address of the run that made the candidate.
    """

    how: str = "local"
    why: str = ""
    pull_request: int | None = None
    run: str = ""

    @property
    def told(self) -> str:
        """In one line."""
        which = f" of pull request #{self.pull_request}" if self.pull_request else ""
        if self.how == "reviewed":
            return f"the reviewed candidate{which}, byte for byte"
        if self.how == "reproduced":
            return f"reproduced: {self.why}"
        return "a candidate from the desk"

    @property
    def lines(self) -> list[str]:
        """What a version's description says of it."""
        return [self.told, *([f"run {self.run}"] if self.run else [])]

    @property
    def tags(self) -> dict[str, str]:
        """What a version's tags say of it."""
        number = "" if self.pull_request is None else str(self.pull_request)
        return {"candidate": self.how, "pull_request": number, "candidate_run": self.run}


def path(candidate: Path) -> Path:
    """Return where the source of a candidate's folder is written: beside it."""
    return candidate.parent / f"{candidate.name}.source.json"


def write(candidate: Path, source: Source) -> None:
    """Write down how the candidate that is there was got.

    Raises
    ------
    CandidateError
        If none is there.
    """
    of = bundle.read_manifest(candidate)["digest"]
    write_json(path(candidate), {"manifest": of, **asdict(source)})


def read(candidate: Path) -> Source:
    """Read how a candidate was got; one without a note, or with another's, comes from the desk.

    Raises
    ------
    CandidateError
        If the note cannot be read.
    """
    file = path(candidate)
    if not file.exists():
        return Source()
    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
        of = noted.pop("manifest")
        source = Source(**noted)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CandidateError(f"{file}: does not say how the candidate was got") from error
    return source if of == bundle.read_manifest(candidate)["digest"] else Source()
