"""GraphQL: what servers that stand on graphql-core ask of it is as it was, and counted."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.http.numbers import Numbers
from tests.http.test_graphql import counts, imported, numbers, subscription_of

__all__ = ["imported", "numbers"]  # fixtures
pytestmark = pytest.mark.skipif(not importlib.util.find_spec("graphql"), reason="needs graphql")


@pytest.mark.parametrize(
    "module", ["graphene.types.schema", "graphene_django.views", "starlette_graphene3"]
)
def test_servers_that_parse_by_themselves_count_what_is_no_graphql(
    numbers: Numbers, module: str
) -> None:
    """Graphene's do, by functions like this one; who reads a schema serves nobody."""
    graphql = sys.modules["graphql"]
    for name in (module, "graphene.utils"):
        asking: dict[str, Any] = {"__name__": name, "parse": graphql.parse}
        exec("def ask(text): return parse(text)", asking)
        with pytest.raises(graphql.GraphQLSyntaxError):
            asking["ask"]("query {")

    assert counts(numbers) == {("unknown", "anonymous", "syntax_error"): 1}


def test_a_subscriptions_stream_is_what_it_was(numbers: Numbers) -> None:
    """A generator, in 3.2 an iterator of the library's own; servers ask for it by its type."""
    import graphql

    async def main() -> tuple[Any, ...]:
        stream = await subscription_of("subscription Ticks { ticks }")
        own = getattr(graphql, "MapAsyncIterator", AsyncGenerator)
        plain = await raw(subscription_of("subscription Ticks { ticks }"))
        try:
            return (
                isinstance(stream, own),
                isinstance(stream, AsyncGenerator) == isinstance(plain, AsyncGenerator),
                inspect.isasyncgen(stream) == inspect.isasyncgen(plain),
            )
        finally:
            await stream.aclose()

    async def raw(stream: Any) -> Any:
        return (await stream)._results

    assert asyncio.run(main()) == (True, True, True)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_what_strawberrys_parser_cache_is_asked_is_counted(numbers: Numbers, sync: bool) -> None:
    """It parses in place of the schema; what is no GraphQL it does not keep."""
    strawberry = pytest.importorskip("strawberry")
    cache = importlib.import_module("strawberry.extensions").ParserCache

    def hello() -> str:
        return "hello"

    query = strawberry.type(type("Query", (), {"hello": strawberry.field(resolver=hello)}))
    schema = strawberry.Schema(query, extensions=[cache])
    for document in ("query Hello { hello }", "query {", "query {", "query Hello { hello }"):
        if sync:
            schema.execute_sync(document)
        else:
            asyncio.run(schema.execute(document))

    assert counts(numbers) == {
        ("query", "Hello", None): 2,
        ("unknown", "anonymous", "syntax_error"): 2,
    }
