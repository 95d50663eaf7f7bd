"""The part in C notes the route of a request as the part in Python does, or leaves it to that."""

from __future__ import annotations

import gc
import random
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions._plain import routed
from monagent.integrations import _django, django
from monagent.integrations._wsgi_request import Request
from tests.django.sending import get
from tests.http.numbers import Numbers
from tests.parts import left

pytestmark = pytest.mark.skipif(routed is None, reason="there is no part in C")


class OtherDict(dict):  # type: ignore[type-arg]
    """A mapping that is no plain dictionary."""


class OtherText(str):
    """Text of a class of the program's own."""

    __slots__ = ()


def exchange_of(chance: random.Random) -> Any:
    """A request, or something else under its key."""
    exchange = chance.choice((Exchange, Request))()
    if chance.random() < 0.2:
        exchange.prefix = chance.choice(("/mounted", OtherText("")))
    return chance.choice((None, 7, object())) if chance.random() < 0.1 else exchange


def routes(seed: int, in_c: bool) -> list[Any]:
    """What random requests are told to be, or what was raised."""
    chance = random.Random(seed)
    found: list[Any] = []
    for _ in range(2000):
        exchange = exchange_of(chance)
        environ: Any = {}
        if chance.random() < 0.9:
            environ[KEY] = exchange
        if chance.random() < 0.1:
            environ = OtherDict(environ)
        over_wsgi = chance.random() < 0.8
        name = "environ" if over_wsgi else "scope"
        request = SimpleNamespace(**{name: environ}, META=environ if over_wsgi else {})
        pattern: Any = chance.choice(
            ("", "items/", "<int:pk>/", "^x$", OtherText("items/"), None, [])
        )
        match = SimpleNamespace(route=pattern)
        try:
            if not in_c or not routed(request.META, match.route, _django.templates):
                django.taken(request, match)
        except Exception as error:
            found.append(type(error))
        found.append(getattr(exchange, "route", None))
    return found


def test_both_ways_find_the_same_routes() -> None:
    """Requests and patterns of all manners, mounted ones and none at all among them."""
    _django.templates.clear()
    in_c, in_python = routes(3, True), routes(3, False)
    _django.templates.clear()

    assert in_c == in_python
    assert "/items/" in in_c


def test_a_plain_request_is_noted_in_c(numbers: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its second one on, the template is known."""
    get("wsgi", "/")
    monkeypatch.setattr(django, "taken", None)
    get("wsgi", "/")

    assert numbers.counts() == {"GET / 200": 2}


@pytest.mark.swallows
@pytest.mark.parametrize("error", [ValueError, MemoryError, BaseException])
def test_an_answer_stays_the_same_where_it_fails(
    numbers: Numbers, swallowed: list[Any], monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    """Whatever it raises."""

    def fail(*_: Any) -> Any:
        raise error("sabotage")

    expected = get("wsgi", "/")
    monkeypatch.setattr(django, "routed", fail)

    assert get("wsgi", "/") == expected
    assert swallowed


def test_it_takes_nothing_odd_and_leaves_nothing_behind() -> None:
    """References are as before; what is no call of ours is refused."""
    template, other = "".join(("/a", "/b")), "".join(("/c", "/d"))
    exchange, templates = Request(), {"a": template, "c": other, "n": 7}
    environ = {KEY: exchange}
    gc.collect()
    before = [sys.getrefcount(one) for one in (template, other, exchange, environ, templates)]
    for _ in range(100):
        assert routed(environ, "a", templates) is True
        assert routed(environ, "c", templates) is True
        for pattern in ("none", "n", None, b"a"):
            assert routed(environ, pattern, templates) is False
    exchange.route = ""
    wrong: Any
    for wrong in ((), (1, 2), (environ, "a", []), (environ, "a", templates, 1)):
        with pytest.raises(TypeError):
            routed(*wrong)
    del wrong

    now = [sys.getrefcount(one) for one in (template, other, exchange, environ, templates)]
    assert left(before, now, 100) == []
