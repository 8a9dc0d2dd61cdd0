"""Who may ask."""

from __future__ import annotations

from base64 import b64encode

import pytest

from churn.core.errors import ParamsError
from churn.serve.access import KEYS, Keys, is_loopback, require_safe
from tests.unit.serve.models import KEY

OTHER = "another key that has more letters"
Headers = list[tuple[bytes, bytes]]


def bearer(key: str, scheme: str = "Bearer") -> Headers:
    return [(b"authorization", f"{scheme} {key}".encode())]


def basic(credentials: str) -> Headers:
    return [(b"authorization", b"Basic " + b64encode(credentials.encode()))]


def api_key(key: str) -> Headers:
    return [(b"x-api-key", key.encode())]


def test_without_keys_everybody_may_ask() -> None:
    for keys in (Keys(), Keys.of({}), Keys.of({KEYS: ""}), Keys.of({KEYS: " , ,"})):
        assert not keys
        assert keys.admit({})
        assert keys.admit(dict(bearer("anything")))


@pytest.mark.parametrize(
    "headers",
    [
        bearer(KEY),
        bearer(OTHER),
        bearer(KEY, "bearer"),
        bearer(KEY, "BEARER"),
        bearer(f"  {KEY} "),
        api_key(KEY),
        [(b"host", b"x"), *api_key(OTHER)],
        [(b"authorization", b"Basic eDp5"), *api_key(KEY)],
        basic(f"anybody:{KEY}"),
        basic(f":{OTHER}"),
    ],
)
def test_each_of_the_keys_is_admitted(headers: Headers) -> None:
    assert Keys([KEY, OTHER]).admit(dict(headers))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        bearer(""),
        bearer(KEY[:-1]),
        bearer(KEY + "x"),
        bearer(KEY.upper()),
        bearer(f"{KEY},{OTHER}"),
        bearer(KEY, "Basic"),
        basic(KEY),
        basic(f"{KEY}:"),
        basic(f"x:{KEY}x"),
        [(b"authorization", b"Basic !")],
        [(b"authorization", KEY.encode())],
        [(b"authorization", b"Bearer")],
        api_key(""),
        api_key(f"Bearer {KEY}"),
        [(b"cookie", KEY.encode())],
        [(b"x-api-key", b"\xff\xfe")],
    ],
)
def test_nobody_else_is_admitted(headers: Headers) -> None:
    assert not Keys([KEY, OTHER]).admit(dict(headers))


def test_the_keys_are_separated_by_commas() -> None:
    keys = Keys.of({KEYS: f" {KEY} ,,{OTHER},"})
    assert keys
    assert keys.admit(dict(bearer(KEY))) and keys.admit(dict(bearer(OTHER)))
    assert not keys.admit(dict(bearer(f"{KEY} ,,{OTHER}")))


def test_a_key_may_have_other_letters_than_ascii() -> None:
    key = "schlüssel mit ümlauten"
    assert Keys([key]).admit(dict(api_key(key)))


@pytest.mark.parametrize("short", ["x", "fifteen letters", f"{KEY},short"])
def test_a_key_that_can_be_guessed_is_refused_and_not_told(short: str) -> None:
    with pytest.raises(ParamsError, match=f"{KEYS}: a key has fewer than 16 characters") as caught:
        Keys.of({KEYS: short})
    assert short not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_the_machine_itself_may_ask_without_a_key(host: str) -> None:
    assert is_loopback(host)
    require_safe(host, Keys(), insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "127.0.0.1.x"])
def test_other_machines_need_a_key_or_a_word(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ParamsError, match=f"other machines could ask.*set {KEYS}, or add"):
        require_safe(host, Keys(), insecure=False)
    require_safe(host, Keys([KEY]), insecure=False)
    require_safe(host, Keys(), insecure=True)
