"""The local copy: what a server serves, on disk, so that it starts without the registry.

One process writes it (`churn.serve.follower`); workers read it. `state.json` says what to serve and
is replaced in one step; a version's model never changes once it is there.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from churn.core.errors import ArtifactError
from churn.core.files import Shape, atomic, read_json, write_json
from churn.provenance.candidate import model_digest
from churn.serve.verdict import Verdict, key_of

if TYPE_CHECKING:  # the process that starts the workers needs no table
    import pandas as pd

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_MODEL, _SAMPLE, _VERDICT = "model", "sample.json", "verdict.json"
_MLFLOW_SAMPLE = "input_example.json"


class Loadable(Shape):
    """A version that is in the store."""

    version: str
    digest: str  # of the model's files

    @property
    def folder(self) -> str:
        """Its folder's name."""
        return f"{self.version}-{self.digest[:12]}"


class Challenger(Loadable):
    """A version that is tried on a part of the requests.

    `share` is the part of the customers, in (0, 1], whom it answers; with `shadow` it predicts for
    them too, and the champion answers. `since` is when the canary began, by which it is told from
    another one of the same version.
    """

    share: float
    shadow: bool = False
    since: str = ""


class Refusal(Shape):
    """refused.json: the canary that this server has stopped last."""

    version: str
    since: str
    reason: str


class State(Shape):
    """state.json: what is to be served."""

    name: str
    champion: Loadable
    challenger: Challenger | None = None


class Store:
    """A folder with the versions that a server serves.

    Parameters
    ----------
    folder : Path
        Created when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state, self._seen = folder / "state.json", folder / "seen"
        self._refused = folder / "refused.json"

    def state(self) -> State | None:
        """Return what to serve; None if there was never anything.

        Raises
        ------
        ArtifactError
            If the file is damaged.
        """
        return read_json(self._state, "serve", State) if self._state.exists() else None

    def write(self, state: State) -> None:
        """Replace what to serve, and remove versions that are no longer needed."""
        write_json(self._state, state)
        kept = {state.champion.folder}
        if state.challenger is not None:
            kept.add(state.challenger.folder)
        versions = self.folder / "versions"
        left = [path for path in versions.iterdir() if path.name.startswith(".")]  # of a kill
        others = [path for path in versions.iterdir() if path.name not in kept and path not in left]
        # The newest of the others stays: it is what a rollback goes back to.
        for path in (*left, *sorted(others, key=lambda path: path.stat().st_mtime)[:-1]):
            shutil.rmtree(path, ignore_errors=True)

    def refusal(self) -> Refusal | None:
        """Return the canary that was stopped here last; None if there was none."""
        return read_json(self._refused, "serve", Refusal) if self._refused.exists() else None

    def refuse(self, reason: str) -> None:
        """Stop the canary, and remember that it was stopped here."""
        state = self.state()
        if state is not None and (tried := state.challenger) is not None:
            refusal = Refusal(version=tried.version, since=tried.since, reason=reason)
            write_json(self._refused, refusal)
            self.write(state.model_copy(update={"challenger": None}))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep another server out of the folder for a block.

        Raises
        ------
        ArtifactError
            If another one uses it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise ArtifactError(
                        f"{self.folder}: another churn serve uses it; --store names another folder"
                    ) from error
            yield

    def stamp(self) -> int:
        """Return a number that changes when the state does; 0 if there is none."""
        try:
            found = self._state.stat()
        except FileNotFoundError:
            return 0
        return found.st_mtime_ns ^ found.st_ino

    def touch(self) -> None:
        """Note that the registry was asked and has answered just now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._seen.touch()
        os.utime(self._seen)

    def seen(self) -> float | None:
        """Return when the registry last answered, in seconds since 1970."""
        try:
            return self._seen.stat().st_mtime
        except FileNotFoundError:
            return None

    def age_s(self) -> float | None:
        """Return the seconds since the registry last answered."""
        seen = self.seen()
        return None if seen is None else max(0.0, time.time() - seen)

    def has(self, version: Loadable) -> bool:
        """Tell whether a version is there, with the right bytes."""
        try:
            return model_digest(self.model(version)) == version.digest
        except ArtifactError:
            return False

    def add(self, version: Loadable, model: Path, stored: Path | None) -> None:
        """Copy a verified model in one step.

        Parameters
        ----------
        version : Loadable
        model : Path
            The model's folder.
        stored : Path or None
            The version in MLflow's format, with a typical customer; None if there is none.
        """
        with atomic(self.folder / "versions" / version.folder) as fresh:
            fresh.mkdir()
            shutil.copytree(model, fresh / _MODEL)
            if stored is not None and (example := stored / _MLFLOW_SAMPLE).is_file():
                shutil.copyfile(example, fresh / _SAMPLE)

    def adopt(self, other: Store, version: Loadable) -> None:
        """Copy a version of another store in one step, with its verdict."""
        with atomic(self.folder / "versions" / version.folder) as fresh:
            shutil.copytree(other.folder / "versions" / version.folder, fresh)

    def write_verdict(self, version: Loadable, why_not: str) -> None:
        """Note what was found when a version was compared with its reference."""
        verdict = Verdict(key=self._verdict_key(version), why_not=why_not)
        write_json(self._file(version, _VERDICT), verdict)

    def verdict(self, version: Loadable) -> str | None:
        """Return what was found of these bytes with this code and these libraries; else None."""
        try:
            found = read_json(self._file(version, _VERDICT), "serve", Verdict)
        except ArtifactError:  # missing, or damaged
            return None
        return found.why_not if found.key == self._verdict_key(version) else None

    def _verdict_key(self, version: Loadable) -> str:
        sample = self._file(version, _SAMPLE)
        # The bytes that are there, and not those that ought to be.
        digest = model_digest(self.model(version))
        return key_of(digest, sample.read_bytes() if sample.exists() else b"")

    def _file(self, version: Loadable, name: str) -> Path:
        return self.folder / "versions" / version.folder / name

    def model(self, version: Loadable) -> Path:
        """Return the folder of a version's model."""
        return self._file(version, _MODEL)

    def sample(self, version: Loadable) -> pd.DataFrame | None:
        """Return typical customers to try a version on, raw columns; None if there are none."""
        path = self._file(version, _SAMPLE)
        if not path.exists():
            return None
        import pandas as pd

        return pd.DataFrame(**json.loads(path.read_text(encoding="utf-8")), dtype=object)
