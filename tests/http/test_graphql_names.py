"""GraphQL: names of operations, which clients choose, are few and short."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from monagent.conventions import graphql as convention
from tests.http.numbers import Numbers
from tests.http.test_graphql import SDL, counts, imported, numbers, subscription_of

__all__ = ["imported", "numbers"]  # fixtures
pytestmark = pytest.mark.skipif(not importlib.util.find_spec("graphql"), reason="needs graphql")


def test_names_are_bounded(numbers: Numbers) -> None:
    """Clients choose them; those that came first stay told apart."""
    import graphql

    schema = graphql.build_schema(SDL)
    most = convention._MOST_NAMES
    for number in range(most + 50):
        graphql.graphql_sync(schema, f"query Name{number} {{ hello }}")
        graphql.graphql_sync(schema, f"query Bad{number} {{ nothing }}")
    graphql.graphql_sync(schema, "query Name0 { hello }")
    found = counts(numbers)

    assert found["query", "Name0", None] == 2
    assert found["query", "other", None] == 50
    assert found["query", "other", "validation_error"] == most + 50
    assert len(found) == most + 2


def test_a_name_too_long_for_a_label_is_one_with_the_others(numbers: Numbers) -> None:
    """Of an operation, one that is refused or fails, and a subscription; it takes no place."""
    import graphql

    schema = graphql.build_schema(SDL)
    longest = "N" * convention._LONGEST_NAME
    for name in (longest, longest + "N"):
        graphql.graphql_sync(schema, f"query {name} {{ hello }}")
    graphql.graphql_sync(schema, f"query {longest}N {{ nothing }}")
    asyncio.run(closed(f"subscription {longest}N {{ ticks }}"))

    assert counts(numbers) == {
        ("query", longest, None): 1,
        ("query", "other", None): 1,
        ("query", "other", "validation_error"): 1,
    }
    lifetimes = counts(numbers, "graphql.server.subscription.duration")
    assert lifetimes == {(None, "other", None): 1}


async def closed(document: str) -> None:
    """A subscription that is opened and closed."""
    await (await subscription_of(document)).aclose()
