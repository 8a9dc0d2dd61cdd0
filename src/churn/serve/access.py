"""Who may ask: API keys, and where a server without keys may listen."""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Mapping, Sequence

from churn.core.errors import ParamsError

KEYS = "CHURN_API_KEYS"
_SHORTEST = 16
_BEARER, _BASIC = b"bearer ", b"basic "


class Keys:
    """The keys of CHURN_API_KEYS; without any, everybody may ask.

    Parameters
    ----------
    keys : sequence of str
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = tuple(key.encode() for key in keys)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Keys:
        """Read the keys, which commas separate.

        Raises
        ------
        ParamsError
            If one is so short that it can be guessed.
        """
        keys = [key.strip() for key in environment.get(KEYS, "").split(",") if key.strip()]
        if any(len(key) < _SHORTEST for key in keys):
            raise ParamsError(f"{KEYS}: a key has fewer than {_SHORTEST} characters")
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def admit(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request may be answered.

        By `Authorization: Bearer KEY`, by `X-API-Key: KEY`, or with the key as the password that a
        browser asks for. Every key is compared in constant time, so that the time says nothing
        about them.
        """
        if not self._keys:
            return True
        given = [headers.get(b"x-api-key", b"")]
        authorization = headers.get(b"authorization", b"")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            given.append(authorization[len(_BEARER) :].strip())
        elif authorization[: len(_BASIC)].lower() == _BASIC:
            given.append(_password(authorization[len(_BASIC) :]))
        # All of them: the first that is equal must not end the comparison sooner.
        return sum(hmac.compare_digest(one, key) for one in given for key in self._keys) > 0


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


def require_safe(host: str, keys: Keys, insecure: bool) -> None:
    """Refuse to listen to other machines without keys.

    Parameters
    ----------
    host : str
        The address to listen on.
    keys : Keys
    insecure : bool
        Whether it is wanted.

    Raises
    ------
    ParamsError
        If others could ask, there is no key, and it was not wanted.
    """
    if not (keys or insecure or is_loopback(host)):
        raise ParamsError(
            f"--host {host}: other machines could ask, and there is no key; set {KEYS}, or add"
            " --insecure if something in front of the server checks who asks"
        )


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
