"""Why a retraining was started: what somebody says, or the alarms of a monitor.json."""

from __future__ import annotations

import json
from pathlib import Path

from churn.core.errors import ArtifactError


def read(why: str | None, alarm: Path | None) -> tuple[str, ...]:
    """Return the reasons, one sentence each; none for a run without a special one.

    Parameters
    ----------
    why : str or None
        A reason in words.
    alarm : Path or None
        A `monitor.json`, of whose alarms the kind and the description are taken.

    Raises
    ------
    ArtifactError
        If the file cannot be read, or has no list of alarms.
    """
    said = [why.strip()] if why and why.strip() else []
    return (*said, *(_alarms(alarm) if alarm else ()))


def _alarms(file: Path) -> list[str]:
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))["alarms"]
        if not isinstance(listed, list):
            raise TypeError("not a list")
        return [f"alarm, {alarm['kind']}: {alarm['shown']}" for alarm in listed]
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{file}: has no list of alarms, as monitor.json has it") from error
