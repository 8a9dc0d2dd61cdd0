"""Somebody who releases: a clone, a packed candidate, and credentials for a server."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.pipeline.conftest import Clone


@dataclass(frozen=True)
class Said:
    """What a command has said."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.strip().splitlines()[-1]

    @property
    def error(self) -> str:
        """The one line that says what is wrong."""
        [line] = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        return line


class Secrets:
    """Everything that nobody may read: as it is, and as it stands in an address or a header."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in (value, quote(value, safe=""))}
        # Any three bytes are four characters, from each of three places at which it may begin.
        for value in set(forms):
            for start in range(3):
                encoded = b64encode(b" " * start + value.encode()).decode().rstrip("=")
                forms.add(encoded[(start * 8 + 5) // 6 : -1])
        self._found = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))

    def within(self, text: str | bytes) -> bool:
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        return self._found.search(text) is not None

    def under(self, *folders: Path) -> list[Path]:
        """Return the files that hold one, in their content or in their name."""
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        assert files
        return [path for path in files if self.within(f"{path}\n".encode() + path.read_bytes())]


@dataclass(frozen=True)
class Releaser:
    """Where somebody gives commands; whatever is said there holds no secret."""

    clone: Clone
    candidate: Path
    secrets: Secrets
    url: str
    user: str
    password: str

    @property
    def address(self) -> str:
        """The server's address, with user and password in it."""
        return self.url.replace("://", f"://{self.user}:{quote(self.password, safe='')}@")

    def review(self) -> Said:
        """Pack the candidate, compared with what is in Production."""
        return self.churn("review", "--production", "--output", str(self.candidate))

    def environment(self, **other: str) -> dict[str, str]:
        own = {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": self.user,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }
        return {name: value for name, value in (own | other).items() if value}

    def churn(self, *arguments: str, code: int = 0, **other: str) -> Said:
        """Run a command that ends with an exit code."""
        done = self.clone.run("churn", *arguments, check=False, **self.environment(**other))
        return self.judge(done.returncode, done.stdout, done.stderr, code)

    def release(self, *arguments: str, code: int = 0, **other: str) -> Said:
        return self.churn("release", str(self.candidate), *arguments, code=code, **other)

    def begin_release(self, **other: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["churn", "release", str(self.candidate)],
            cwd=self.clone.root,
            env=self.clone.environment | self.environment(**other),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def judge(self, code: int, out: str, err: str, expected: int) -> Said:
        said = Said(code, out, err)
        assert not self.secrets.within(out + err), "a secret was said"
        assert code == expected, f"{code}\n{out}\n{err}"
        return said
