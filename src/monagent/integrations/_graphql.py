"""How graphql-core's functions are watched; they return results, awaitables of them, or streams."""

from __future__ import annotations

import sys

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions import graphql
from monagent.conventions.graphql import Subscription
from monagent.conventions.http import error_type
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    Operation = tuple[str, str | None]

SERVING = (
    "strawberry.schema",
    "strawberry.extensions",
    "ariadne.graphql",
    "graphene.types.schema",
    "graphene_django.views",
    "starlette_graphene3",
    "graphql_server",
    "graphql.graphql",
    "graphql.harness",
)
"""Modules that parse what clients sent; others parse schemas."""

CANCELLED = "cancelled"
SUBSCRIPTION = "subscription"

broken = False
"""Watching failed too often. Others hold wrappers by name, so that undoing does not reach all."""


def failed(error: BaseException) -> None:
    """Something of ours broke; the operation goes on."""
    global broken
    guard.failed("graphql", error)
    if guard.off("graphql"):
        broken = True
        undo("graphql")


def executing(original: Any) -> Any:
    """Wrapper of `execute(schema, document, root, context, variables, operation_name, …)`."""

    def execute(schema: Any, document: Any, *args: Any, **kwargs: Any) -> Any:
        operation = None
        begun = perf_counter()
        try:
            if not broken:
                operation = operation_of(document, args, kwargs)
                if operation[0] == SUBSCRIPTION:  # One event of it, as 3.2 makes their results.
                    operation = None
        except BaseException as error:
            failed(error)
        if operation is None:
            return original(schema, document, *args, **kwargs)
        try:
            result = original(schema, document, *args, **kwargs)
        except BaseException as error:
            broke(operation, begun, error)
            raise
        return finished(operation, begun, result)

    return execute


def executing_incrementally(original: Any) -> Any:
    """Wrapper of what `execute` calls, and others directly."""
    execute = sys.modules["graphql.execution.execute"].execute
    calling = getattr(execute, "__wrapped__", execute).__code__
    watched = executing(original)

    def experimental_execute_incrementally(*args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_code is calling:  # It is counted there.
            return original(*args, **kwargs)
        return watched(*args, **kwargs)

    return experimental_execute_incrementally


def finished(operation: Operation, begun: float, result: Any) -> Any:
    """Count what has its result; what has none yet when it is awaited."""
    try:
        if hasattr(result, "errors"):
            told(operation, begun, result)
        elif hasattr(result, "__await__"):
            return awaited(operation, begun, result)
        else:
            told(operation, begun, result.initial_result)
    except BaseException as error:
        failed(error)
    return result


async def awaited(operation: Operation, begun: float, awaitable: Awaitable[Any]) -> Any:
    """The result, counted."""
    try:
        result = await awaitable
    except BaseException as error:
        broke(operation, begun, error)
        raise
    try:
        told(operation, begun, getattr(result, "initial_result", result))
    except BaseException as error:
        failed(error)
    return result


def told(operation: Operation, begun: float, result: Any) -> None:
    """An operation has this result."""
    errors = result.errors
    kinds = graphql.kinds(errors, error_type) if errors else []
    graphql.executed(perf_counter() - begun, *operation, kinds)


def broke(operation: Operation, begun: float, error: BaseException) -> None:
    """An operation was cancelled, or has raised in place of a result."""
    try:
        gone = isinstance(error, GeneratorExit) or type(error).__name__ == "CancelledError"
        kind = CANCELLED if gone else error_type(error)
        graphql.executed(perf_counter() - begun, *operation, [kind])
    except BaseException as ours:
        failed(ours)


def operation_of(document: Any, args: Any = (), kwargs: Any = None) -> Operation:
    """Type and name of the operation that is asked for; (unknown, None) if there is none."""
    wanted = args[3] if len(args) > 3 else (kwargs or {}).get("operation_name")
    for definition in document.definitions:
        if definition.kind == "operation_definition":
            name = definition.name
            name = None if name is None else name.value
            if wanted is None or name == wanted:
                return definition.operation.value, name
    return graphql.UNKNOWN, None


def subscribing(original: Any) -> Any:
    """Wrapper of `subscribe`, which returns a stream, a result with errors, or either later."""

    def subscribe(schema: Any, document: Any, *args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        result = original(schema, document, *args, **kwargs)
        try:
            if not broken:
                operation = operation_of(document, args, kwargs)
                if hasattr(result, "__await__"):
                    return followed_later(operation, begun, result)
                return followed(operation, begun, result)
        except BaseException as error:
            failed(error)
        return result

    return subscribe


def subscribing_asynchronously(original: Any) -> Any:
    """Wrapper of the `subscribe` of 3.2."""

    async def subscribe(schema: Any, document: Any, *args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        result = await original(schema, document, *args, **kwargs)
        try:
            if not broken:
                return followed(operation_of(document, args, kwargs), begun, result)
        except BaseException as error:
            failed(error)
        return result

    return subscribe


async def followed_later(operation: Operation, begun: float, awaitable: Awaitable[Any]) -> Any:
    """The same, once it is there."""
    result = await awaitable
    try:
        return followed(operation, begun, result)
    except BaseException as error:
        failed(error)
        return result


def followed(operation: Operation, begun: float, result: Any) -> Any:
    """The stream, followed; a result says that there is none, and counts as an operation."""
    if hasattr(result, "__anext__"):
        return Results(result, Subscription(operation[1]))
    told(operation, begun, result)
    return result


class Results:
    """Stands in for the stream of a subscription's results: a generator, in 3.2 an iterator."""

    __slots__ = ("__weakref__", "_results", "_subscription")

    @property  # type: ignore[misc]  # nobody sets it
    def __class__(self) -> Any:
        return type(self._results)

    def __init__(self, results: Any, subscription: Subscription) -> None:
        self._results = results
        self._subscription = subscription

    def __aiter__(self) -> Results:
        return self

    async def __anext__(self) -> Any:
        return await self._given(self._results.__anext__())

    async def aclose(self) -> None:
        self._ended(None)
        await self._results.aclose()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._results, name)
        if name in ("asend", "athrow"):  # not of the class, by which generators are known
            return lambda *given: self._given(found(*given))
        return found

    async def _given(self, step: Awaitable[Any]) -> Any:
        try:
            result = await step
        except StopAsyncIteration:
            self._ended(None)
            raise
        except BaseException as error:
            self._ended(error)
            raise
        try:
            self._subscription.event()
        except BaseException as error:
            failed(error)
        return result

    def _ended(self, error: BaseException | None) -> None:
        try:
            gone = isinstance(error, GeneratorExit) or type(error).__name__ == "CancelledError"
            if error is None or gone:
                self._subscription.end()
            else:
                self._subscription.end(error_type(getattr(error, "original_error", None) or error))
        except BaseException as ours:
            failed(ours)


def validating(original: Any) -> Any:
    """Wrapper of `validate(schema, document, …)`: what is not of the schema is never executed."""

    def validate(schema: Any, document_ast: Any, *args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        errors = original(schema, document_ast, *args, **kwargs)
        if errors and not broken:
            try:
                operation = operation_of(document_ast)
                graphql.refused(perf_counter() - begun, *operation, graphql.VALIDATION)
            except BaseException as error:
                failed(error)
        return errors

    return validate


def parsing(original: Any) -> Any:
    """Wrapper of `parse`."""

    def parse(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except Exception:
            try:
                asking = sys._getframe(1).f_globals.get("__name__", "")
                if asking.startswith(SERVING) and not broken:
                    graphql.refused(0.0, graphql.UNKNOWN, None, graphql.SYNTAX)
            except BaseException as error:
                failed(error)
            raise

    return parse
