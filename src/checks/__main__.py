"""`python -m checks SPECIFICATION OUTPUT`: run the listed checks, and write their results."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# deepchecks must not use the network; it reads these when it is imported.
os.environ["DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY"] = "1"
os.environ["DISABLE_LATEST_VERSION_CHECK"] = "1"
# Notebooks validate with it, deepchecks imports those, and its grammar takes two seconds to build.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]


def main(specification: str, output: str) -> None:
    """Run a specification and write its results.

    Parameters
    ----------
    specification : str
        JSON file; see `checks.specification.Specification`.
    output : str
        JSON file to write. The name of each finished check is printed on a line.
    """
    from checks.build import SpecificationError
    from checks.run import run
    from checks.specification import Specification, write

    try:
        results = run(
            Specification.read(Path(specification)),
            done=lambda name: print(name, flush=True),
        )
    except SpecificationError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    write(results, Path(output))


if __name__ == "__main__":
    main(*sys.argv[1:])
