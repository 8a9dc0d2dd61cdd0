"""What looks after act."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.forge import _children, _end_output

# As act: it holds both ends of a terminal, and reads from one until the sign has come.
WAITING = """
import os, tty
reader, writer = os.openpty()
tty.setraw(writer)
print("waiting", flush=True)
print(os.read(reader, 100) == b"\\x04")
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")
def test_what_waits_for_the_end_of_an_output_that_has_ended_goes_on() -> None:
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert _children(process.pid) == []
        _end_output(process.pid)
        assert process.communicate(timeout=20)[0] == "True\n"
