"""GraphQL: each operation counts once, by type and name, whichever library was asked."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monagent import metrics
from monagent.conventions import graphql as convention
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http.numbers import Numbers

LIBRARIES = ("graphql", "strawberry", "ariadne")
pytestmark = pytest.mark.skipif(not importlib.util.find_spec("graphql"), reason="needs graphql")

Counts = dict[tuple[Any, ...], int]

DOCUMENTS = (
    ("query Hello { hello }", None),
    ("{ hello }", None),
    ("query A { hello } query B { fails }", "B"),
    ("mutation Change { change }", None),
    ("query Wrong { nothing }", None),
    ("query Hello { nothing }", None),
    ("query {", None),
)
COUNTED = {
    ("query", "Hello", None): 1,
    ("query", "anonymous", None): 1,
    ("query", "B", "KeyError"): 1,
    ("mutation", "Change", None): 1,
    ("query", "other", "validation_error"): 1,
    ("query", "Hello", "validation_error"): 1,
    ("unknown", "anonymous", "syntax_error"): 1,
}
SDL = """
type Query { hello: String  fails: String }
type Mutation { change: String }
type Subscription { ticks: Int  breaks: Int }
"""


@pytest.fixture(scope="module", autouse=True)
def imported() -> Iterator[None]:
    """The libraries import each other's functions by name, so they must find watched ones."""
    for name in list(sys.modules):
        if name.partition(".")[0] in LIBRARIES:
            del sys.modules[name]
    hooks.modes[:] = [lambda library: "on" if library == "graphql" else "off"]
    hooks.install()
    for name in LIBRARIES:
        if importlib.util.find_spec(name):
            importlib.import_module(name)
    yield
    hooks.uninstall()
    hooks.modes.clear()


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[Numbers]:
    """What was recorded since the test began."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    metrics.use(metrics.Recording(Shard(str(state))))
    yield Numbers(str(state))
    metrics.use(metrics.Recording())


def counts(numbers: Numbers, name: str = "graphql.server.operation.duration") -> Counts:
    """Counts by type, name and error."""
    labels = ("graphql.operation.type", "graphql.operation.name", "error.type")
    found = {}
    for key, cells in numbers.series(name).items():
        facts = dict(key)
        value = int(sum(cells[1:]) if len(cells) > 1 else cells[0])
        if value:
            found[tuple(facts.get(label) for label in labels)] = value
    return found


async def ticks(*_: Any, **__: Any) -> AsyncGenerator[Any, None]:
    """Three events."""
    for number in range(3):
        yield number


async def breaks(*_: Any, **__: Any) -> AsyncGenerator[Any, None]:
    """One event, then an exception."""
    yield 0
    raise KeyError("a")


def fails(*_: Any) -> str:
    """A resolver that raises."""
    raise KeyError("a")


def by_core(sync: bool) -> Callable[[str, str | None], None]:
    """graphql-core's own entry points."""
    import graphql

    schema = graphql.build_schema(SDL)
    root = {"hello": "hello", "fails": fails, "change": "changed"}

    def ask(document: str, name: str | None) -> None:
        if sync:
            graphql.graphql_sync(schema, document, root, operation_name=name)
        else:
            asyncio.run(graphql.graphql(schema, document, root, operation_name=name))

    return ask


def by_strawberry(sync: bool) -> Callable[[str, str | None], None]:
    """A schema of classes; resolvers are coroutines where they may be."""
    strawberry = pytest.importorskip("strawberry")

    def hello() -> str:
        return "hello"

    async def hello_later() -> str:
        await asyncio.sleep(0)
        return "hello"

    def broken() -> str | None:
        raise KeyError("a")

    fields = {
        "hello": strawberry.field(resolver=hello if sync else hello_later),
        "fails": strawberry.field(resolver=broken),
    }
    query = strawberry.type(type("Query", (), fields))
    mutation = strawberry.type(
        type("Mutation", (), {"change": strawberry.mutation(resolver=hello)})
    )
    schema = strawberry.Schema(query, mutation)

    def ask(document: str, name: str | None) -> None:
        if sync:
            schema.execute_sync(document, operation_name=name)
        else:
            asyncio.run(schema.execute(document, operation_name=name))

    return ask


def by_ariadne(sync: bool) -> Callable[[str, str | None], None]:
    """A schema of text."""
    ariadne = pytest.importorskip("ariadne")
    query, mutation = ariadne.QueryType(), ariadne.MutationType()

    async def hello_later(*_: Any) -> str:
        await asyncio.sleep(0)
        return "hello"

    query.set_field("hello", (lambda *_: "hello") if sync else hello_later)
    query.set_field("fails", fails)
    mutation.set_field("change", lambda *_: "changed")
    schema = ariadne.make_executable_schema(SDL, query, mutation)

    def ask(document: str, name: str | None) -> None:
        data = {"query": document, "operationName": name}
        if sync:
            ariadne.graphql_sync(schema, data)
        else:
            asyncio.run(ariadne.graphql(schema, data))

    return ask


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("library", [by_core, by_strawberry, by_ariadne])
def test_an_operation_counts_once_by_type_and_name(
    numbers: Numbers, library: Callable[[bool], Callable[[str, str | None], None]], sync: bool
) -> None:
    """Also one that is refused before it is executed; no document's text is in any label."""
    ask = library(sync)
    before = counts(numbers)
    for document, name in DOCUMENTS:
        ask(document, name)

    assert before == {}
    assert counts(numbers) == COUNTED
    assert counts(numbers, "graphql.server.errors") == {
        key: 1 for key in COUNTED if key[2] is not None
    }


def test_all_errors_of_a_result_are_counted(numbers: Numbers) -> None:
    """The operation has the kind of the first."""
    import graphql

    def refuses(*_: Any) -> None:
        raise graphql.GraphQLError("no")

    root = {"hello": refuses, "fails": fails}
    graphql.graphql_sync(graphql.build_schema(SDL), "query Two { fails hello again: fails }", root)

    assert counts(numbers) == {("query", "Two", "KeyError"): 1}
    assert counts(numbers, "graphql.server.errors") == {
        ("query", "Two", "KeyError"): 2,
        ("query", "Two", "graphql.error.graphql_error.GraphQLError"): 1,
    }


def test_a_cancelled_operation_is_counted(numbers: Numbers) -> None:
    """Its client may have gone."""
    import graphql

    async def forever(*_: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        schema = graphql.build_schema(SDL)
        call = graphql.graphql(schema, "query Slow { hello }", {"hello": forever})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, 0.02)

    asyncio.run(main())

    assert counts(numbers) == {("query", "Slow", "cancelled"): 1}


def test_an_operation_within_a_resolver_is_one_of_its_own(numbers: Numbers) -> None:
    """As in a schema that asks another."""
    import graphql

    schema = graphql.build_schema(SDL)

    def inner(*_: Any) -> Any:
        return str(graphql.graphql_sync(schema, "query Inner { hello }").data)

    graphql.graphql_sync(schema, "query Outer { hello }", {"hello": inner})

    assert counts(numbers) == {("query", "Outer", None): 1, ("query", "Inner", None): 1}


async def subscription_of(document: str, **resolvers: Any) -> Any:
    """The stream that graphql-core gives for a subscription, or a result."""
    import graphql

    root = {"ticks": ticks, "breaks": breaks, **resolvers}
    found: Any = graphql.subscribe(graphql.build_schema(SDL), graphql.parse(document), root)
    return await found if hasattr(found, "__await__") else found


@pytest.mark.parametrize(
    ("document", "events", "ends"),
    [
        ("subscription Ticks { ticks }", 3, ("Ticks", None)),
        ("subscription { breaks }", 1, ("anonymous", "KeyError")),
    ],
)
def test_a_subscription_has_a_lifetime_and_events(
    numbers: Numbers, document: str, events: int, ends: tuple[str, str | None]
) -> None:
    """It is no operation of any latency; it is open while it is."""
    open_ones = []

    async def main() -> None:
        try:
            async for _ in await subscription_of(document):
                open_ones.append(numbers.total("graphql.server.subscriptions.active"))
        except KeyError:
            pass

    asyncio.run(main())

    assert open_ones == [1] * events
    assert numbers.total("graphql.server.subscriptions.active") == 0
    assert numbers.total("graphql.server.subscription.events") == events
    assert counts(numbers, "graphql.server.subscription.duration") == {(None, *ends): 1}
    assert counts(numbers) == {}


def test_a_subscription_ends_when_it_is_closed_or_dropped(numbers: Numbers) -> None:
    """Before its first event, too."""

    async def main() -> None:
        stream = await subscription_of("subscription Ticks { ticks }")
        await stream.aclose()
        stream = await subscription_of("subscription Ticks { ticks }")
        await stream.__anext__()
        assert numbers.total("graphql.server.subscriptions.active") == 1
        await stream.aclose()
        dropped = await subscription_of("subscription Ticks { ticks }")
        del dropped

    asyncio.run(main())

    assert numbers.total("graphql.server.subscriptions.active") == 0
    assert numbers.total("graphql.server.subscription.events") == 1
    assert counts(numbers, "graphql.server.subscription.duration") == {(None, "Ticks", None): 3}


def test_a_subscription_that_cannot_be_is_a_failed_operation(numbers: Numbers) -> None:
    """It gives a result with errors in place of a stream."""
    result = asyncio.run(subscription_of("subscription No { ticks }", ticks=fails))

    assert result.errors
    assert counts(numbers) == {("subscription", "No", "KeyError"): 1}


def test_subscriptions_of_the_libraries_are_followed(numbers: Numbers) -> None:
    """By the same name, whichever has opened them."""
    strawberry = pytest.importorskip("strawberry")
    ariadne = pytest.importorskip("ariadne")

    async def generate() -> AsyncGenerator[int, None]:
        async for number in ticks():
            yield number

    def hello() -> str:
        return "a"

    query = strawberry.type(type("Query", (), {"hello": strawberry.field(resolver=hello)}))
    subscription = strawberry.type(
        type("Subscription", (), {"ticks": strawberry.subscription(resolver=generate)})
    )
    schema = strawberry.Schema(query, subscription=subscription)
    source = ariadne.SubscriptionType()
    source.set_source("ticks", ticks)
    source.set_field("ticks", lambda value, _: value)
    text = ariadne.make_executable_schema(SDL, source)

    async def main() -> None:
        stream: AsyncIterator[Any] = await schema.subscribe("subscription Ticks { ticks }")
        assert len([result async for result in stream]) == 3
        good, found = await ariadne.subscribe(text, {"query": "subscription Ticks { ticks }"})
        assert good
        assert len([result async for result in found]) == 3

    asyncio.run(main())

    assert numbers.total("graphql.server.subscription.events") == 6
    assert counts(numbers, "graphql.server.subscription.duration") == {(None, "Ticks", None): 2}


@pytest.mark.swallows
def test_results_are_the_same_when_measuring_fails(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of ours raises."""
    import graphql

    from monagent import guard
    from monagent.integrations import _graphql

    def breaks(*_: Any, **__: Any) -> None:
        raise MemoryError

    def results() -> list[Any]:
        schema, root = graphql.build_schema(SDL), {"hello": "a", "fails": fails}
        asked = ("{ hello }", "{ fails }", "{ nothing }", "{")
        return [graphql.graphql_sync(schema, text, root).formatted for text in asked]

    async def events() -> int:
        return len([event async for event in await subscription_of("subscription S { ticks }")])

    monkeypatch.setattr(_graphql, "broken", False)  # and again so in the end
    whole = results()
    for owner, names in (
        (convention, ("executed", "refused", "kinds", "Subscription")),
        (convention.Subscription, ("event", "end")),
        (_graphql, ("operation_of", "told", "followed", "error_type")),
    ):
        for name in names:
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, breaks)

                assert results() == whole
                assert asyncio.run(events()) == 3
            guard.forget()
