"""The Open Inference Protocol, version 2, with its binary form for tensors.

One input for each column, of shape [n] or [n, 1]; one output for each column of the model's answer.
Source: the protocol's specification by the KServe project, and Triton's extension
"binary tensor data".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from churn.model.artifact import Model
from churn.serve.answers import JSON, Answer, encode
from churn.serve.questions import QuestionError

_NUMBERS = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_TEXT = "BYTES"
_OF_DTYPE = {"f": "FP64", "i": "INT64", "O": _TEXT}
_KINDS = {float: "FP64", int: "INT64", str: _TEXT}
_JSON_CELLS = "pd_json"  # as MLServer writes a column of texts some of which are missing
_BINARY = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"


class _Parameters(msgspec.Struct):
    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None
    content_type: str | None = None


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: _Parameters | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: _Parameters | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: _Parameters | None = None


_decoder = msgspec.json.Decoder(_Request)


@dataclass(frozen=True)
class Inference:
    """A request.

    Attributes
    ----------
    id : str or None
    columns : dict of str to list
        The cells of each input.
    outputs : dict of str to bool
        The outputs that are wanted, and whether in the binary form.
    """

    id: str | None
    columns: dict[str, list[Any]]
    outputs: dict[str, bool]


def read(body: bytes, json_length: str | None, answered: Collection[str]) -> Inference:
    """Read a request.

    Parameters
    ----------
    body : bytes
    json_length : str or None
        The header `Inference-Header-Content-Length`: where the JSON ends and the tensors begin.
    answered : collection of str
        The outputs of the model.

    Raises
    ------
    QuestionError
        If it is not a request of the protocol.
    """
    head, tail = _parts(body, json_length)
    try:
        request = _decoder.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QuestionError(f"not a request of the Open Inference Protocol: {error}") from error
    columns: dict[str, list[Any]] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise QuestionError(f"input {tensor.name!r} is there twice")
        columns[tensor.name], tail = _cells(tensor, tail)
    if tail:
        raise QuestionError(f"{len(tail)} bytes after the last input")
    if len(lengths := {name: len(cells) for name, cells in columns.items()}) == 0:
        raise QuestionError("no inputs; there is one for each column")
    if len(set(lengths.values())) > 1:
        raise QuestionError(f"inputs of different lengths: {lengths}")
    return Inference(request.id, columns, _wanted(request, answered))


def _parts(body: bytes, json_length: str | None) -> tuple[bytes, bytes]:
    if json_length is None:
        return body, b""
    # Python reads no number of thousands of digits.
    if not re.fullmatch("[0-9]{1,18}", json_length) or int(json_length) > len(body):
        raise QuestionError(f"Inference-Header-Content-Length: {json_length[:40]!r} is no length")
    return body[: int(json_length)], body[int(json_length) :]


def _cells(tensor: _Input, tail: bytes) -> tuple[list[Any], bytes]:
    """Return a tensor's cells, and the bytes after it."""
    where = f"input {tensor.name!r}"
    if tensor.datatype != _TEXT and tensor.datatype not in _NUMBERS:
        known = ", ".join([*_NUMBERS, _TEXT])
        raise QuestionError(f"{where}: datatype {tensor.datatype!r} (valid: {known})")
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
        raise QuestionError(f"{where}: shape {tensor.shape}, where [n] or [n, 1] is needed")
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if size is None:
        cells = _flat(tensor)
    elif not 0 <= size <= len(tail):
        raise QuestionError(f"{where}: {size} bytes, and the body has {len(tail)} more")
    else:
        cells, tail = _decoded(tensor, tail[:size], where), tail[size:]
    if len(cells) != tensor.shape[0]:
        raise QuestionError(f"{where}: {len(cells)} cells, and shape {tensor.shape}")
    return cells, tail


def _flat(tensor: _Input) -> list[Any]:
    if tensor.data is None:
        raise QuestionError(f"input {tensor.name!r}: no data")
    cells = tensor.data
    if cells and all(isinstance(cell, list) for cell in cells):
        cells = list(chain.from_iterable(cells))
    if tensor.parameters and tensor.parameters.content_type == _JSON_CELLS:
        try:
            return [msgspec.json.decode(cell) for cell in cells]
        except (msgspec.MsgspecError, TypeError, RecursionError) as error:
            raise QuestionError(f"input {tensor.name!r}: a cell is not JSON") from error
    return cells


def _decoded(tensor: _Input, content: bytes, where: str) -> list[Any]:
    if tensor.datatype == _TEXT:
        return list(_texts(content, where))
    try:
        found = np.frombuffer(content, dtype=_NUMBERS[tensor.datatype])
    except ValueError as error:
        raise QuestionError(f"{where}: {len(content)} bytes are not {tensor.datatype}") from error
    # NaN is how a tensor of numbers has a missing one.
    return [None if cell != cell else cell for cell in found.tolist()]


def _texts(content: bytes, where: str) -> Iterator[str]:
    """Read texts: each after its length in four bytes."""
    place = 0
    while place < len(content):
        if place + 4 > len(content):
            raise QuestionError(f"{where}: a text's length is cut off")
        [length] = struct.unpack_from("<I", content, place)
        cell = content[place + 4 : place + 4 + length]
        if len(cell) != length:
            raise QuestionError(f"{where}: a text is cut off")
        try:
            yield cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise QuestionError(f"{where}: a text is not UTF-8") from error
        place += 4 + length


def _wanted(request: _Request, answered: Collection[str]) -> dict[str, bool]:
    binary = bool(request.parameters and request.parameters.binary_data_output)
    if not request.outputs:
        return dict.fromkeys(answered, binary)
    wanted = {}
    for output in request.outputs:
        if output.name not in answered:
            raise QuestionError(f"output {output.name!r} (valid: {', '.join(answered)})")
        own = output.parameters.binary_data if output.parameters else None
        wanted[output.name] = binary if own is None else own
    return wanted


def answer(
    inference: Inference,
    name: str,
    version: str,
    found: dict[str, np.ndarray],
    headers: tuple[tuple[bytes, bytes], ...],
) -> Answer:
    """Write an answer.

    Parameters
    ----------
    inference : Inference
        The request.
    name, version : str
        Of the model.
    found : dict of str to ndarray, shape (n_customers,)
        Every output of the model.
    headers : tuple of (bytes, bytes)
        Further headers.
    """
    outputs, tails = [], []
    for output, binary in inference.outputs.items():
        values = found[output]
        tensor: dict[str, object] = {
            "name": output,
            "datatype": _OF_DTYPE[values.dtype.kind],
            "shape": [len(values)],
        }
        if binary:
            content = _content(values)
            tensor["parameters"] = {"binary_data_size": len(content)}
            tails.append(content)
        else:
            tensor["data"] = values.tolist()
        outputs.append(tensor)
    body: dict[str, object] = {"model_name": name, "model_version": version}
    if inference.id is not None:
        body["id"] = inference.id
    head = encode({**body, "outputs": outputs})
    if not tails:
        return Answer(200, head, headers=headers)
    length = (HEADER_LENGTH, str(len(head)).encode())
    return Answer(200, b"".join([head, *tails]), _BINARY, (*headers, length))


def _content(values: np.ndarray) -> bytes:
    """Return a tensor in the binary form, as `_texts` and `_cells` read it."""
    if values.dtype.kind != "O":
        return values.astype(_NUMBERS[_OF_DTYPE[values.dtype.kind]]).tobytes()
    texts = [value.encode() for value in values.tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def metadata(name: str, versions: list[str], model: Model) -> Answer:
    """Describe the model: its inputs and outputs."""
    card = model.card
    kinds = {
        **dict.fromkeys(card.numeric, "FP64"),
        **dict.fromkeys((*card.dates, *card.categorical), _TEXT),
    }
    body = {
        "name": name,
        "versions": versions,
        "platform": "scikit-learn",
        "inputs": [_tensor(column, kinds[column]) for column in card.inputs],
        "outputs": [_tensor(name, _KINDS[kind]) for name, kind in model.output.answered.items()],
    }
    return Answer(200, encode(body), JSON)


def _tensor(name: str, kind: str) -> dict[str, object]:
    return {"name": name, "datatype": kind, "shape": [-1]}
