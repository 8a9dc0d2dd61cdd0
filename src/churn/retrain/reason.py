"""Why a retraining was started: what somebody says, or the alarms of a monitor.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from churn.core.errors import ArtifactError


def read(why: str | None, alarm: Path | None) -> tuple[str, ...]:
    """Return the reasons, one sentence each; none for a run without a special one.

    Parameters
    ----------
    why : str or None
        A reason in words.
    alarm : Path or None
        A `monitor.json`. Its `alarms` are texts, or mappings with a `reason` or a `kind`.

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
        return [f"alarm: {_sentence(alarm)}" for alarm in listed]
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{file}: has no list `alarms`, as `churn monitor` writes it"
        ) from error


def _sentence(alarm: Any) -> str:
    if isinstance(alarm, dict):
        kind, reason = (str(alarm.get(key) or "") for key in ("kind", "reason"))
        return ": ".join(filter(None, (kind, reason))) or json.dumps(alarm)
    return str(alarm)
