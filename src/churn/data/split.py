"""The split: a hash of the id decides which customers are held out, not chance or position."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def hash_share(ids: pd.Series, salt: str) -> np.ndarray:
    """Map each id to a number in [0, 1) by a hash: uniform, and always the same.

    It is BLAKE2b keyed by `salt`, read as a fraction. It does not depend on the other rows, their
    order or the platform.

    Parameters
    ----------
    ids : Series of str, shape (n_customers,)
        Customer ids.
    salt : str
        Another salt gives independent numbers. At most 64 bytes are used.

    Returns
    -------
    ndarray of float64, shape (n_customers,)
        Values in [0, 1).
    """
    keyed = hashlib.blake2b(digest_size=8, key=salt.encode()[:64])

    def digest(value: str) -> bytes:
        state = keyed.copy()  # the key is hashed once, and not for each customer
        state.update(value.encode())
        return state.digest()

    digests = b"".join(map(digest, ids.tolist()))
    # The upper 53 bits are exact as a float64 in [0, 1).
    places = np.frombuffer(digests, dtype=">u8") >> np.uint64(11)
    return places.astype(np.float64) / 2.0**53


def is_test(ids: pd.Series, test_share: float, salt: str) -> np.ndarray:
    """Tell which customers are held out.

    A customer is held out if `hash_share` is below `test_share`. So with a larger share everybody
    stays held out who was before, and a baseline is never scored on its own training rows.

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


def is_test_by_stratum(
    ids: pd.Series, strata: np.ndarray, test_share: float, salt: str
) -> np.ndarray:
    """Tell which customers are held out, if they are the same share of each stratum.

    In each stratum those with the smallest hash, as in `is_test`. So a customer changes sides only
    where the table has changed around `test_share`: when it grows by a tenth, fewer than one in a
    hundred. Which customers a model
    was certainly not trained on is known without its table: those whose hash is below that of all
    its training rows.

    Parameters
    ----------
    ids : Series of str, shape (n_customers,)
        Customer ids, each once.
    strata : ndarray of int, shape (n_customers,)
        The stratum of each customer.
    test_share : float
        Share of held-out customers, in (0, 1), in each stratum up to half a customer.
    salt : str
        See `hash_share`.

    Returns
    -------
    ndarray of bool, shape (n_customers,)
    """
    shares = hash_share(ids, salt)
    held_out = np.zeros(len(ids), dtype=bool)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        order = members[np.argsort(shares[members], kind="stable")]
        held_out[order[: round(test_share * len(order))]] = True
    return held_out


def sample_size(n_rows: int, max_rows: int | None) -> int | None:
    """Return the size of the sample that training rows are; None if they are all there are.

    A limit above the size of the table removes nothing. Training rows that are as many as the limit
    are taken for a sample: how many there were before is not known any more.

    Parameters
    ----------
    n_rows : int
        Training rows, of which `sampled` has kept at most `max_rows`.
    max_rows : int or None
        As for `sampled`.

    Returns
    -------
    int or None
    """
    return max_rows if n_rows == max_rows else None


def sampled(ids: pd.Series, max_rows: int | None) -> np.ndarray:
    """Tell which customers are in a sample: those with the smallest hash of their id.

    So a larger sample has every customer of a smaller one, and nearly all stay in it when other
    customers come. The hash is not that of `is_test`, nor that of the folds.

    Parameters
    ----------
    ids : Series of str, shape (n_customers,)
        Customer ids, each once.
    max_rows : int or None
        Size of the sample; None for all customers.

    Returns
    -------
    ndarray of bool, shape (n_customers,)
    """
    if max_rows is None or len(ids) <= max_rows:
        return np.ones(len(ids), dtype=bool)
    shares = hash_share(ids, "train sample")
    chosen = np.zeros(len(ids), dtype=bool)
    # Ties, of one in 10^16, by position; prepare has sorted the rows by id.
    chosen[np.argsort(shares, kind="stable")[:max_rows]] = True
    return chosen
