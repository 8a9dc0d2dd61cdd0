"""The server's description: OpenAPI for programs, and a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any, get_args

from jinja2 import Environment, StrictUndefined

from churn.explanation.values import Unit
from churn.model.artifact import Model
from churn.model.card import ModelCard
from churn.model.outputs import Output
from churn.serve.answers import encode
from churn.serve.rows import Cell

Document = dict[str, Any]  # a part of OpenAPI's format, or of a body in it
_PREDICTS = {
    "binary": "Predicts whether customers churn.",
    "regression": "Predicts a number for customers.",
    "multiclass": "Predicts the class of customers.",
}
_ERRORS = {
    "400": "the body is no question, a column is missing, or a cell does not fit its column",
    "401": "a key is needed",
    "413": "too large, or too many customers",
    "415": "another content type",
    "503": "no model yet, too many requests, or no answer in time; try again",
}


def description(name: str, model: Model, example: Mapping[str, Cell], with_keys: bool) -> Document:
    """Describe the server for the model that it serves.

    Parameters
    ----------
    name : str
        The registered model's name.
    model : Model
    example : mapping of str to number or str or None
        A customer, by column.
    with_keys : bool
        Whether requests need a key.

    Returns
    -------
    dict
        An OpenAPI 3.1 document.
    """
    card = model.card
    number: Document = {"type": ["number", "string", "boolean", "null"]}
    text: Document = {"type": ["string", "number", "boolean", "null"]}
    day: Document = {"type": ["string", "null"], "description": "ISO 8601"}
    columns = {
        **dict.fromkeys(card.numeric, number),
        **dict.fromkeys(card.dates, day),
        **dict.fromkeys(card.categorical, text),
    }
    customer = {
        "type": "object",
        "required": list(card.inputs),
        "properties": {**columns, card.id: text},
    }
    security: Document = {"security": [{"key": []}]} if with_keys else {}
    infer = f"/v2/models/{name}/infer"
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": version("churn"),
            "description": _PREDICTS[model.card.task],
        },
        "paths": {
            "/invocations": {
                "post": {
                    "summary": "Predict, in MLflow's protocol",
                    "requestBody": _body(
                        _invocations(customer), {"dataframe_records": [dict(example)]}
                    ),
                    "responses": _responses({"$ref": "#/components/schemas/Predictions"}),
                    **security,
                }
            },
            "/explain": {
                "post": {
                    "summary": "Say what each column adds to a prediction (SHAP values)",
                    "requestBody": _body(
                        _invocations(customer), {"dataframe_records": [dict(example)]}
                    ),
                    "responses": _responses({"$ref": "#/components/schemas/Explanations"}),
                    **security,
                }
            },
            infer: {
                "post": {
                    "summary": "Predict, in the Open Inference Protocol",
                    "requestBody": _body(_inference(), _tensors(example, card)),
                    "responses": _responses({"$ref": "#/components/schemas/Inferred"}),
                    **security,
                }
            },
            f"/v2/models/{name}": _get("The model's inputs and outputs", security),
            f"/v2/models/{name}/ready": _get("Whether the model answers", security),
            "/v2/health/live": _get("Whether the server runs", {}),
            "/v2/health/ready": _get("Whether the server answers", {}),
            "/ping": _get("Whether the server answers, as MLflow's server tells it", {}),
            "/metrics": _get("Numbers for Prometheus", security),
        },
        "components": {
            "schemas": {
                "Predictions": _predictions(model.output),
                "Explanations": _explanations(model),
                "Inferred": _inferred(),
            }
        },
    }
    if with_keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document


def _tensors(customer: Mapping[str, Cell], card: ModelCard) -> Document:
    """Return the body of the Open Inference Protocol for a customer."""
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "FP64" if name in card.numeric else "BYTES",
            "data": [customer[name]],
        }
        for name in card.inputs
    ]
    return {"inputs": inputs}


def _body(schema: Document, shown: Document) -> Document:
    return {
        "required": True,
        "content": {"application/json": {"schema": schema, "example": shown}},
    }


def _invocations(customer: Document) -> Document:
    customers = {"type": "array", "items": customer, "minItems": 1}
    rows = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
    }
    forms = {
        "dataframe_records": customers,
        "dataframe_split": rows,
        "instances": customers,
        "inputs": {"anyOf": [customers, {"type": "object"}]},
    }
    one_of = [
        {"type": "object", "required": [form], "properties": {form: schema}}
        for form, schema in forms.items()
    ]
    return {"oneOf": one_of}


def _inference() -> Document:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"type": "string"},
            "data": {"type": "array"},
        },
    }
    output = {"type": "object", "properties": {"name": {"type": "string"}}}
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": tensor},
            "outputs": {"type": "array", "items": output},
        },
    }


def _answered(output: Output) -> Document:
    """Describe the columns of an answer."""
    kinds: dict[type, Document] = {
        float: {"type": "number"},
        int: {"enum": [0, 1]},
        str: {"type": "string"},
    }
    is_share = {name: name.startswith("probability") for name in output.answered}
    return {
        name: {**kinds[kind], **({"minimum": 0, "maximum": 1} if is_share[name] else {})}
        for name, kind in output.answered.items()
    }


def _predictions(output: Output) -> Document:
    properties = _answered(output)
    items = {"type": "object", "required": list(properties), "properties": properties}
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "items": items}},
    }


def _explanations(model: Model) -> Document:
    number = {"type": "number"}
    explanation = {
        **_answered(model.output),
        "version": {"type": "string"},
        "score": {**number, "description": "base and the sum of the reasons"},
        "base": number,
        "unit": {"enum": list(get_args(Unit))},
        "reasons": {"type": "object", "properties": dict.fromkeys(model.card.inputs, number)},
    }
    items = {"type": "object", "required": list(explanation), "properties": explanation}
    return {
        "type": "object",
        "required": ["explanations"],
        "properties": {"explanations": {"type": "array", "items": items}},
    }


def _inferred() -> Document:
    return {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"type": "object"}},
        },
    }


def _responses(schema: Document) -> Document:
    headers = {"X-Model-Version": {"schema": {"type": "string"}}}
    answered = {
        "description": "the predictions, in the order of the customers",
        "headers": headers,
        "content": {"application/json": {"schema": schema}},
    }
    return {"200": answered, **{code: {"description": why} for code, why in _ERRORS.items()}}


def _get(summary: str, security: Document) -> Document:
    responses = {"200": {"description": "yes"}, "503": {"description": "not now"}}
    return {"get": {"summary": summary, "responses": responses, **security}}


def page(document: Document) -> str:
    """Return the page for people: endpoints, and requests to try."""
    template = files(__package__).joinpath("docs.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    shown = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "body": _example_of(operation),
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return environment.from_string(template).render(
        name=document["info"]["title"],
        version=document["info"]["version"],
        endpoints=shown,
        errors=_ERRORS,
    )


def _example_of(operation: Document) -> str:
    body = operation.get("requestBody")
    if body is None:
        return ""
    return json.dumps(json.loads(encode(body["content"]["application/json"]["example"])), indent=2)
