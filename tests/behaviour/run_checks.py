"""Run the checks over many pairs of frames: importing deepchecks takes longer than running them.

Runs in the checks' environment: ``python -m tests.behaviour.run_checks FOLDER``, which has a folder
for each pair with ``specification.json``, and gets ``results.json`` in each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from checks.run import run
from checks.specification import Specification, write

for folder in sorted(Path(sys.argv[1]).iterdir()):
    results = run(Specification.read(folder / "specification.json"), lambda name: None)
    write(results, folder / "results.json")
