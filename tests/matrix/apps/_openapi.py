"""The OpenAPI document of an application of Connexion."""

from __future__ import annotations

from typing import Any


def document(operations: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document of functions by method and path."""
    paths: dict[str, Any] = {}
    for name, function in operations.items():
        method, _, path = name.partition(" ")
        described: dict[str, Any] = {
            "operationId": f"{function.__name__} {path}",
            "responses": {"200": {"description": "as it says"}},
            "parameters": [
                {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": kind}}
                for part in path.split("/")
                for kind in ["integer" if "id" in part else "string"]
                if part.startswith("{")
            ],
        }
        if method == "post":
            binary = {"schema": {"type": "string", "format": "binary"}}
            described["requestBody"] = {"content": {"application/octet-stream": binary}}
        paths[path] = {method: described}
    return {"openapi": "3.0.0", "info": {"title": "tested", "version": "1"}, "paths": paths}
