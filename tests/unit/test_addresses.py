"""What stores report is said in one line, without secrets."""

from __future__ import annotations

import pytest

from churn.core.addresses import in_one_line, public, reason
from churn.core.errors import DataError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError("bucket/c.csv"), "not there"),
        (PermissionError(13, "Permission denied", "/c.csv"), "Permission denied"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (OSError(5, "GET https://me:pw@host/x?sig=SECRET failed"), "GET https://host/x failed"),
        (ValueError("https://me:pw@host/x?sig=SECRET failed"), "ValueError: https://host/x failed"),
    ],
)
def test_a_reason_is_one_line_without_secrets(error: Exception, said: str) -> None:
    assert reason(error) == said


def test_an_address_is_shown_without_user_and_signature() -> None:
    assert public("https://me:pw@host/x?sig=SECRET#part") == "https://host/x"
    chained = "zip://c.csv::https://me:pw@host/x.zip?sig=SECRET"
    assert public(chained) == "zip://c.csv::https://host/x.zip"
    assert public("a/path?no=address") == "a/path?no=address"


def test_only_other_errors_are_told_anew() -> None:
    away = r"^table: cannot be read \(OSError: away\); see docs$"
    told = in_one_line(DataError, "table: cannot be read", "; see docs")
    with pytest.raises(DataError, match=away), told:
        raise OSError("away")
    with pytest.raises(DataError, match="as it is"), in_one_line(DataError, "table"):
        raise DataError("as it is")
    with pytest.raises(KeyError), in_one_line(DataError, "table", errors=(OSError,)):
        raise KeyError("a bug")
