"""The OpenAPI 3.1 document of the service, made from its routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.serve.routes import Route, parameters
from service.serve.shapes import Error

REF = "#/components/schemas/{model}"


def document(routes: Sequence[Route], tokens: bool) -> dict[str, Any]:
    """Return the document. `tokens`: whether callers need one."""
    modes: dict[type[BaseModel], JsonSchemaMode] = {Error: "serialization"}
    for route in routes:
        for taken in (route.query, route.body, route.form):
            if taken is not None:
                modes[taken] = "validation"
        if not isinstance(route.reply, str):
            modes[route.reply] = "serialization"
    refs, schemas = models_json_schema(list(modes.items()), ref_template=REF)
    named = {model: refs[model, mode] for model, mode in modes.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(path, route, named, schemas["$defs"], tokens)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tamis", "version": version("tamis"), "description": "Jobs of synthetic data, over HTTP."},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    path: str, route: Route, named: dict[type[BaseModel], Any], schemas: dict[str, Any], tokens: bool
) -> dict[str, Any]:
    media = route.reply if isinstance(route.reply, str) else "application/json"
    schema: dict[str, Any] = {} if isinstance(route.reply, str) else named[route.reply]
    content = {media: {"schema": schema}}
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{path}").strip("_"),
        "summary": route.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in parameters(route.path)
        ],
        "responses": {
            str(route.status): {"description": "as asked for", "content": content},
            **{str(status): {"description": when, "content": content} for status, when in route.also.items()},
            "default": {"description": "why not", "content": {"application/json": {"schema": named[Error]}}},
        },
    }
    if route.query is not None:
        model = schemas[named[route.query]["$ref"].rpartition("/")[2]]
        for name, found in model.get("properties", {}).items():
            operation["parameters"].append({"name": name, "in": "query", "required": False, "schema": found})
    for name, header in route.headers.items():
        operation["parameters"].append({"name": name, "in": "header", "required": False, "schema": header})
    for taken, kind in ((route.body, "application/json"), (route.form, "multipart/form-data")):
        if taken is not None:
            operation["requestBody"] = {"required": True, "content": {kind: {"schema": named[taken]}}}
    if tokens and not route.open:
        operation["security"] = [{"token": []}]
    return operation
