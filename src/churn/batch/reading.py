"""Read an input in chunks that depend on nothing but the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from churn.batch.inputs import Input
from churn.batch.pool import Part
from churn.core.params import DataParams
from churn.data import streams

CHUNK_ROWS = 65_536
PART_ROWS = 16 * CHUNK_ROWS  # of a file of the output at most


def known_rows(inputs: Sequence[Input], data: DataParams) -> list[int | None]:
    """Check the columns of every file before any is predicted.

    Returns
    -------
    list of int or None
        The number of rows of each file, where it says it.

    Raises
    ------
    DataError
        For the first file that lacks a column or is damaged.
    """
    names = [data.id, *data.inputs]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda one: streams.known_rows(one.file, names, data.csv), inputs))


def parts(
    inputs: Sequence[Input],
    data: DataParams,
    begun: Mapping[int, tuple[int, int, bool]],
    chunk_rows: int,
    part_rows: int,
) -> Iterator[Part]:
    """Yield the rows of all files in chunks.

    Parameters
    ----------
    inputs : sequence of Input
    data : DataParams
    begun : mapping of int to (int, int, bool)
        Of files of which parts are there: how many, how many rows these have, and whether they are
        all.
    chunk_rows, part_rows : int
        Rows of a chunk, and of a part: a multiple of the former.
    """
    numbered = 0  # rows of the files before
    for place, one in enumerate(inputs):
        part, start, is_whole = begun.get(place, (0, 0, False))
        if is_whole:
            numbered += start
            continue
        tables = streams.tables(one.file, [data.id, *data.inputs], data.csv, start)
        row, left = start, part_rows
        for chunk, is_last in _with_last(_chunks(tables, chunk_rows)):
            left -= len(chunk)
            ends = is_last or left <= 0
            yield Part(
                _with_id(chunk, data.id, numbered + row + 1), row + 1, place, part, ends, is_last
            )
            row += len(chunk)
            if ends:
                part, left = part + 1, part_rows
        numbered += row


def _chunks(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Give tables of `rows` rows, but for the last one; one of no rows if there are none."""
    waiting = [next(tables)]
    count = n_given = 0
    for table in tables:
        waiting.append(table)
        count += len(table)
        while count >= rows:
            together = pa.concat_tables(waiting)
            yield together.slice(0, rows).combine_chunks()
            waiting, count = [together.slice(rows)], count - rows
            n_given += 1
    if count or not n_given:
        yield pa.concat_tables(waiting).combine_chunks()


def _with_last(chunks: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
    before = next(chunks)
    for chunk in chunks:
        yield before, False
        before = chunk
    yield before, True


def _with_id(chunk: pa.Table, name: str, first: int) -> pa.Table:
    """Add the numbers of the rows to a table without an id, on from the files before."""
    if name in chunk.column_names:
        return chunk
    return chunk.add_column(0, name, pa.array(np.arange(first, first + len(chunk))))
