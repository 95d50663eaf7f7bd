"""graphql-core: every operation it executes, whoever asked it to: Strawberry, Ariadne, itself.

What they refuse before (no GraphQL, or not of the schema) counts as a failed operation. A
subscription is no operation in this sense: it has a lifetime and events.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import _graphql

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "graphql",
    versions=">=3.2",
    records=("graphql",),
    covers="operations and subscriptions of schemas, as Strawberry, Ariadne and Graphene have them",
    distribution="graphql-core",
)


@replace("graphql.execution.execute", "execute")
def executing(original: Any) -> Any:
    return _graphql.executing(original)


# 3.3 executes everything through it.
@replace("graphql.execution.execute", "experimental_execute_incrementally", optional=True)
def executing_incrementally(original: Any) -> Any:
    return _graphql.executing_incrementally(original)


@replace("graphql.execution.execute", "subscribe", optional=True)
def subscribing(original: Any) -> Any:
    return _graphql.subscribing(original)


# Until 3.2 in a module of its own.
@replace("graphql.execution.subscribe", "subscribe", optional=True)
def subscribing_asynchronously(original: Any) -> Any:
    return _graphql.subscribing_asynchronously(original)


@replace("graphql.validation.validate", "validate")
def validating(original: Any) -> Any:
    return _graphql.validating(original)


@replace("graphql.language.parser", "parse")
def parsing(original: Any) -> Any:
    return _graphql.parsing(original)
