"""Load a version of the local copy once, in a process of its own, before workers are told of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from churn.core import process
from churn.core.errors import ArtifactError, ChurnError
from churn.serve.store import Loadable, Store

_LIMIT_S = 120


def require_loadable(store: Store, version: Loadable) -> None:
    """Check that a version can be loaded and predicts, and write its verdict into the store.

    Raises
    ------
    ArtifactError
        If not, with the reason.
    """
    command = [sys.executable, "-m", "churn.serve.probe", str(store.folder.resolve())]
    environment = {**process.without_credentials(), **ONE_THREAD}
    try:
        done = process.run(
            [*command, version.version, version.digest], environment=environment, timeout_s=_LIMIT_S
        )
    except (TimeoutError, subprocess.SubprocessError) as error:
        raise ArtifactError(f"version {version.version}: not loaded in {_LIMIT_S} s") from error
    if done.returncode:
        reason = process.error_line(done.stderr, last=True)
        raise ArtifactError(f"version {version.version} cannot be served: {reason}")


# Threads of OpenMP that wait for each other on a busy machine take seconds for what is done in
# milliseconds.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main(folder: str, version: str, digest: str) -> None:
    """Load a version, and write its verdict; exit code 1, with a line on stderr, if it fails."""
    from churn.serve import served

    store, wanted = Store(Path(folder)), Loadable(version=version, digest=digest)
    try:
        sample = store.sample(wanted)
        found = served.load(version, store.model(wanted), digest, sample, max_rows=1)
        store.write_verdict(wanted, found.why_not)
    except ChurnError as error:
        sys.exit(" ".join(str(error).split()))
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")


if __name__ == "__main__":
    os.environ.update(ONE_THREAD)
    main(*sys.argv[1:])
