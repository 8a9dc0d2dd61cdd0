"""Which customers are held out: decided by a hash of the id, not by chance or position."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def hash_share(ids: pd.Series, salt: str) -> np.ndarray:
    """Place each id on [0, 1), evenly and always at the same point.

    BLAKE2b keyed by `salt`, read as a fraction. An id keeps its place when the table grows,
    shrinks or is sorted, on every platform.

    Parameters
    ----------
    ids : Series of str, shape (n_customers,)
        Customer ids.
    salt : str
        Another salt gives an independent placing. At most 64 bytes are used.

    Returns
    -------
    ndarray of float64, shape (n_customers,)
        Values in [0, 1).
    """
    keyed = hashlib.blake2b(digest_size=8, key=salt.encode()[:64])

    def digest(value: str) -> bytes:
        state = keyed.copy()  # the key is hashed once, not once a customer
        state.update(value.encode())
        return state.digest()

    digests = b"".join(map(digest, ids.tolist()))
    # The upper 53 bits are what a float64 in [0, 1) can hold exactly.
    places = np.frombuffer(digests, dtype=">u8") >> np.uint64(11)
    return places.astype(np.float64) / 2.0**53


def is_test(ids: pd.Series, test_share: float, salt: str) -> np.ndarray:
    """Tell which customers are held out.

    A customer is held out if its `hash_share` is below `test_share`; so a larger share keeps
    everyone who was held out before, and a baseline is never scored on its own training rows.

    Parameters
    ----------
    ids : Series of str, shape (n_customers,)
        Customer ids.
    test_share : float
        Expected share of held-out customers, in (0, 1).
    salt : str
        See `hash_share`.

    Returns
    -------
    ndarray of bool, shape (n_customers,)
    """
    held_out: np.ndarray = hash_share(ids, salt) < test_share
    return held_out
