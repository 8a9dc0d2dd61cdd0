"""The Open Inference Protocol, as its clients speak it."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import ServeParams
from churn.model.artifact import Model
from churn.serve import v2
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.questions import QuestionError
from churn.serve.versions import Serving
from tests.binary import OUTPUT
from tests.unit.serve.asgi import Response, asked
from tests.unit.serve.models import same_bits, unproven

INFER = "/v2/models/churn/infer"
ANSWERED = OUTPUT.answered
Tensor = dict[str, Any]


def tensor(name: str, datatype: str, data: Any, shape: Any = None, **parameters: Any) -> Tensor:
    given: Tensor = {"name": name, "shape": shape or [len(data)], "datatype": datatype}
    if parameters:
        given["parameters"] = parameters
    return {**given, "data": data}


def read(*inputs: Tensor, tail: bytes = b"", **more: Any) -> v2.Inference:
    head = json.dumps({"inputs": list(inputs), **more}).encode()
    return v2.read(head + tail, str(len(head)) if tail else None, ANSWERED)


def refusal(*inputs: Tensor, tail: bytes = b"", **more: Any) -> str:
    with pytest.raises(QuestionError) as caught:
        read(*inputs, tail=tail, **more)
    return str(caught.value)


def binary(name: str, datatype: str, content: bytes, shape: list[int]) -> Tensor:
    size = {"binary_data_size": len(content)}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": size}


def packed(*cells: str | bytes) -> bytes:
    found = [cell.encode() if isinstance(cell, str) else cell for cell in cells]
    return b"".join(struct.pack("<I", len(cell)) + cell for cell in found)


def test_cells_in_json_are_read() -> None:
    found = read(tensor("a", "FP64", [1, 2.5, None]), tensor("b", "BYTES", ["x", None, "y"]))
    assert found.columns == {"a": [1, 2.5, None], "b": ["x", None, "y"]}
    assert found.id is None
    assert found.outputs == {"probability": False, "prediction": False}


@pytest.mark.parametrize(
    ("shape", "data"),
    [([2], [1, 2]), ([2, 1], [1, 2]), ([2, 1], [[1], [2]]), ([2], [[1], [2]]), ([2], [[1, 2]])],
)
def test_a_column_may_have_one_dimension_or_two(shape: list[int], data: list[Any]) -> None:
    assert read(tensor("a", "INT64", data, shape)).columns == {"a": [1, 2]}


KINDS = {
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


@pytest.mark.parametrize("datatype", KINDS)
@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_binary_numbers_of_every_datatype_are_read(datatype: str, shape: list[int]) -> None:
    cells = np.array([1, 0, 1], dtype=KINDS[datatype])
    if cells.dtype.kind in "iu":
        cells[:2] = np.iinfo(cells.dtype).max, np.iinfo(cells.dtype).min
    if cells.dtype.kind == "f":
        cells[1] = np.nan
    content = cells.tobytes()
    found = read(binary("a", datatype, content, shape), tail=content).columns["a"]
    assert found == [None if cell != cell else cell for cell in cells.tolist()]
    assert type(found[0]) is type(cells.tolist()[0])


def test_binary_texts_are_read() -> None:
    content = packed("gold", "", "Äğ\x00", "x" * 70_000)
    found = read(binary("a", "BYTES", content, [4, 1]), tail=content)
    assert found.columns["a"] == ["gold", "", "Äğ\x00", "x" * 70_000]


def test_binary_tensors_follow_in_the_order_of_the_inputs() -> None:
    one, two = np.array([1.5, 2.5]).tobytes(), packed("x", "y")
    inputs = (
        binary("a", "FP64", one, [2]),
        tensor("b", "INT64", [3, 4]),
        binary("c", "BYTES", two, [2]),
    )
    assert read(*inputs, tail=one + two).columns == {
        "a": [1.5, 2.5],
        "b": [3, 4],
        "c": ["x", "y"],
    }


EIGHT = np.array([1.0]).tobytes()


@pytest.mark.parametrize(
    ("given", "tail", "said"),
    [
        (tensor("a", "FP64", [1], [2]), b"", "input 'a': 1 cells, and shape [2]"),
        (tensor("a", "FP64", [1], [-1]), b"", "input 'a': 1 cells, and shape [-1]"),
        (tensor("a", "FP64", [1], [1, 2]), b"", "shape [1, 2], where [n] or [n, 1] is needed"),
        (tensor("a", "FP64", [1], [1, 1, 1]), b"", "shape [1, 1, 1], where"),
        ({**tensor("a", "FP64", [1]), "shape": []}, b"", "shape [], where"),
        (tensor("a", "BF16", [1]), b"", "input 'a': datatype 'BF16' (valid: BOOL, "),
        (tensor("a", "fp64", [1]), b"", "datatype 'fp64' (valid"),
        ({"name": "a", "shape": [1], "datatype": "FP64"}, b"", "input 'a': no data"),
        (
            {**tensor("a", "FP64", [1]), "parameters": {"shared_memory_region": "r"}, "data": None},
            b"",
            "input 'a': no data",
        ),
        (binary("a", "FP64", EIGHT, [2]), EIGHT, "input 'a': 1 cells, and shape [2]"),
        (binary("a", "FP64", EIGHT, [1]), EIGHT[:5], "input 'a': 8 bytes, and the body has 5 more"),
        (binary("a", "FP64", EIGHT[:5], [1]), EIGHT[:5], "input 'a': 5 bytes are not FP64"),
        (binary("a", "FP64", EIGHT, [1]), EIGHT + b"\0\0", "2 bytes after the last input"),
        (tensor("a", "FP64", [1]), b"\0", "1 bytes after the last input"),
        (tensor("a", "FP64", [1], binary_data_size=-1), b"", "-1 bytes, and the body has 0 more"),
        (binary("a", "BYTES", b"\1\0\0", [1]), b"\1\0\0", "input 'a': a text's length is cut off"),
        (binary("a", "BYTES", b"\2\0\0\0x", [1]), b"\2\0\0\0x", "input 'a': a text is cut off"),
        (binary("a", "BYTES", b"\xff" * 6, [1]), b"\xff" * 6, "input 'a': a text is cut off"),
        (binary("a", "BYTES", packed(b"\xff"), [1]), packed(b"\xff"), "a text is not UTF-8"),
        (tensor("a", "BYTES", ["x"], content_type="pd_json"), b"", "input 'a': a cell is not JSON"),
        (tensor("a", "BYTES", [1], content_type="pd_json"), b"", "input 'a': a cell is not JSON"),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused(
    given: Tensor, tail: bytes, said: str
) -> None:
    assert said in refusal(given, tail=tail)


def test_inputs_that_do_not_fit_together_are_refused() -> None:
    one = tensor("a", "FP64", [1])
    assert refusal() == "no inputs; there is one for each column"
    assert refusal(one, one) == "input 'a' is there twice"
    other = tensor("b", "FP64", [1, 2])
    assert refusal(one, other) == "inputs of different lengths: {'a': 1, 'b': 2}"
    assert refusal(one, outputs=[{"name": "y"}]) == "output 'y' (valid: probability, prediction)"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"inputs": {}}',
        b'{"inputs": [{}]}',
        b'{"inputs": [{"name": 1, "shape": [1], "datatype": "FP64", "data": [1]}]}',
        b'{"inputs": [{"name": "a", "shape": [1.5], "datatype": "FP64", "data": [1]}]}',
        b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": 1}]}',
        b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [NaN]}]}',
        b'{"inputs": [{"name": "\\ud800", "shape": [1], "datatype": "FP64", "data": [1]}]}',
        b'{"inputs": [], "id": 7}',
        b'{"inputs": ' + b"[" * 100_000,
        b'{"x": ' + b"[" * 100_000,
    ],
    ids=range(15),
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(QuestionError, match=r"^not a request of the Open Inference Protocol: "):
        v2.read(body, None, ANSWERED)


@pytest.mark.parametrize("length", ["", "-1", "1.5", "x", "99", " 2", "²", "9" * 5000, "1_0"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(QuestionError, match=r"^Inference-Header-Content-Length: .* is no length$"):
        v2.read(b'{"inputs": []}', length, ANSWERED)


@pytest.fixture(scope="module")
def app(model: Model) -> App:
    found = App(ServeParams(), Keys())
    found.serving = Serving("churn", unproven(model))
    return found


def inputs_of(customers: pd.DataFrame, model: Model, shape: bool = False) -> list[Tensor]:
    cells = customers[list(model.card.inputs)].astype(object)
    cells = cells.where(cells.notna(), None)
    kinds = {**dict.fromkeys(model.card.numeric, "FP64"), "plan": "BYTES"}
    size = [len(cells), 1] if shape else [len(cells)]
    return [tensor(name, kinds[name], cells[name].tolist(), size) for name in cells]


def outputs(response: Response) -> dict[str, Any]:
    assert response.status == 200, response.body
    return {one["name"]: one for one in response.json["outputs"]}


def test_it_answers_what_the_model_predicts(app: App, model: Model, planned: pd.DataFrame) -> None:
    first = planned.head(30)
    response = asked(app, INFER, {"id": "r7", "inputs": inputs_of(first, model)})
    assert response.headers["content-type"] == "application/json"
    assert {**response.json, "outputs": ...} == {
        "model_name": "churn",
        "model_version": "3",
        "id": "r7",
        "outputs": ...,
    }
    expected, found = model.predict(first), outputs(response)
    assert found["probability"] == {
        "name": "probability",
        "datatype": "FP64",
        "shape": [30],
        "data": expected["probability"].tolist(),
    }
    assert found["prediction"] == {
        "name": "prediction",
        "datatype": "INT64",
        "shape": [30],
        "data": expected["prediction"].tolist(),
    }


def test_without_an_id_none_is_answered(app: App, model: Model, planned: pd.DataFrame) -> None:
    assert "id" not in asked(app, INFER, {"inputs": inputs_of(planned.head(1), model)}).json


def test_the_outputs_that_are_wanted_are_answered_in_their_order(
    app: App, model: Model, planned: pd.DataFrame
) -> None:
    inputs = inputs_of(planned.head(2), model)
    for names in (["prediction"], ["prediction", "probability"], ["probability"]):
        wanted = [{"name": name} for name in names]
        assert list(outputs(asked(app, INFER, {"inputs": inputs, "outputs": wanted}))) == names
    assert len(outputs(asked(app, INFER, {"inputs": inputs, "outputs": []}))) == 2


def test_the_model_is_described(app: App, model: Model) -> None:
    found = asked(app, "/v2/models/churn").json
    assert (found["name"], found["versions"], found["platform"]) == ("churn", ["3"], "scikit-learn")
    kinds = {one["name"]: (one["datatype"], one["shape"]) for one in found["inputs"]}
    assert kinds == {**dict.fromkeys(model.card.numeric, ("FP64", [-1])), "plan": ("BYTES", [-1])}
    assert [(one["name"], one["datatype"]) for one in found["outputs"]] == [
        ("probability", "FP64"),
        ("prediction", "INT64"),
    ]


class Triton:
    """Writes and reads what tritonclient's HTTP client does (2.73, `_utils`, `_infer_result`)."""

    def __init__(self, customers: pd.DataFrame, model: Model) -> None:
        self.inputs: list[Tensor] = []
        self.tails: list[bytes] = []
        for name in model.card.inputs:
            is_text = name in model.card.categorical
            cells = customers[name].to_numpy(dtype=object if is_text else np.float64)
            content = packed(*cells) if is_text else cells.tobytes()
            self.inputs.append(
                {
                    "name": name,
                    "shape": [len(cells)],
                    "datatype": "BYTES" if is_text else "FP64",
                    "parameters": {"binary_data_size": len(content)},
                }
            )
            self.tails.append(content)

    def ask(self, app: App, path: str = INFER, wanted: list[Any] | None = None) -> Response:
        request: dict[str, Any] = {"id": "1", "inputs": self.inputs}
        if wanted:
            request["outputs"] = wanted
        else:
            request["parameters"] = {"binary_data_output": True}
        head = json.dumps(request).encode()
        # It sends no content type.
        headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": ""}
        return asked(app, path, head + b"".join(self.tails), headers)

    @staticmethod
    def as_numpy(response: Response) -> dict[str, np.ndarray]:
        length = response.headers.get("inference-header-content-length")
        content = response.body[: int(length)] if length else response.body
        buffer = response.body[int(length) :] if length else b""
        found, place = {}, 0
        for output in json.loads(content)["outputs"]:
            kind = {"FP64": np.float64, "INT64": np.int64}[output["datatype"]]
            size = output.get("parameters", {}).get("binary_data_size")
            if size is None:
                cells = np.array(output["data"], dtype=kind)
            else:
                cells = np.frombuffer(buffer[place : place + size], dtype=kind)
                place += size
            found[output["name"]] = cells.reshape(output["shape"])
        assert place == len(buffer)
        return found


def test_tritons_client_is_answered_in_its_binary_form(
    app: App, model: Model, planned: pd.DataFrame
) -> None:
    known = planned.dropna().head(20)
    response = Triton(known, model).ask(app)
    assert response.status == 200, response.body
    assert response.headers["content-type"] == "application/octet-stream"
    found, expected = Triton.as_numpy(response), model.predict(known)
    assert same_bits(found["probability"], expected["probability"].to_numpy())
    np.testing.assert_array_equal(found["prediction"], expected["prediction"])


def test_tritons_client_may_choose_the_form_of_each_output(
    app: App, model: Model, planned: pd.DataFrame
) -> None:
    known = planned.dropna().head(3)
    wanted = [
        {"name": "prediction", "parameters": {"binary_data": False}},
        {"name": "probability", "parameters": {"binary_data": True}},
    ]
    response = Triton(known, model).ask(app, wanted=wanted)
    found = Triton.as_numpy(response)
    assert same_bits(found["probability"], model.scores(known))
    assert len(response.body) - int(response.headers["inference-header-content-length"]) == 24
    in_json = Triton(known, model).ask(
        app, wanted=[{"name": "probability", "parameters": {"binary_data": False}}]
    )
    assert "inference-header-content-length" not in in_json.headers
    assert in_json.headers["content-type"] == "application/json"
    assert same_bits(Triton.as_numpy(in_json)["probability"], model.scores(known))


def test_a_binary_nan_is_a_missing_number(app: App, model: Model, planned: pd.DataFrame) -> None:
    unknown = planned.dropna().head(2).assign(age=np.nan)
    found = Triton.as_numpy(Triton(unknown, model).ask(app))
    assert same_bits(found["probability"], model.scores(unknown))


def test_whole_numbers_and_numbers_with_a_point_get_the_same_answer(
    app: App, model: Model, planned: pd.DataFrame
) -> None:
    whole = planned.dropna().head(2).assign(monetary_value=96.0, avg_order_value=48.0)
    inputs = inputs_of(whole, model)
    integers = [
        {**one, "datatype": "INT32", "data": [int(cell) for cell in one["data"]]}
        if one["datatype"] == "FP64"
        else one
        for one in inputs
    ]
    one, other = (asked(app, INFER, {"inputs": these}) for these in (inputs, integers))
    assert outputs(one) == outputs(other)


def test_mlservers_pandas_codec_is_answered(app: App, model: Model, planned: pd.DataFrame) -> None:
    known = planned.dropna().head(5)
    inputs = inputs_of(known, model, shape=True)
    inputs[-1]["parameters"] = {"content_type": "str"}
    response = asked(app, INFER, {"parameters": {"content_type": "pd"}, "inputs": inputs})
    assert outputs(response)["probability"]["data"] == model.scores(known).tolist()


def test_mlservers_pandas_codec_is_answered_with_missing_cells(
    app: App, model: Model, planned: pd.DataFrame
) -> None:
    # A text column that is missing somewhere is written as JSON, each cell on its own.
    some = planned.head(14).assign(age=np.nan)
    assert some["plan"].isna().any() and some["plan"].notna().any()
    inputs = inputs_of(some, model, shape=True)
    cells = [json.dumps(cell) for cell in inputs[-1]["data"]]
    inputs[-1] |= {"data": cells, "parameters": {"content_type": "pd_json"}}
    response = asked(app, INFER, {"parameters": {"content_type": "pd"}, "inputs": inputs})
    assert outputs(response)["probability"]["data"] == model.scores(some).tolist()


def test_parameters_of_other_servers_are_ignored(
    app: App, model: Model, planned: pd.DataFrame
) -> None:
    body = {
        "inputs": inputs_of(planned.head(1), model),
        "outputs": [{"name": "probability", "parameters": {"classification": 1}}],
        "parameters": {"sequence_id": 7, "priority": 1, "timeout": 5, "triton_enable": True},
    }
    assert outputs(asked(app, INFER, body))


def test_errors_are_in_the_form_of_the_protocol(app: App) -> None:
    response = asked(app, INFER, b"{}")
    assert response.status == 400
    assert list(response.json) == ["error"]
    unknown = asked(app, "/v2/models/other/infer", b"{}")
    assert (unknown.status, list(unknown.json)) == (404, ["error"])
    lacking = asked(app, INFER, {"inputs": [tensor("age", "FP64", [1])]})
    assert "missing inputs ['recency_days', " in lacking.json["error"]
    wrong = asked(app, INFER, {"inputs": [tensor("age", "FP64", ["x"], [1])]})
    assert wrong.status == 400
