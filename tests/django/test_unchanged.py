"""What Django's own callables look like, and what they answer when monagent fails."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from monagent import guard
from monagent.conventions import http
from monagent.instrument import targets
from monagent.integrations import _django, django
from tests.django.sending import KINDS, Answer, application, get, send
from tests.http.numbers import Numbers

LIBRARIES = ("django", "channels", "daphne", "django_ratelimit", "ninja", "rest_framework")


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_wrapped_callable_passes_for_the_original(numbers: Numbers, name: str) -> None:
    """Kind, name, documentation and signature; wrapt's proxies are not needed."""
    pytest.importorskip(name)
    importlib.import_module(f"monagent.integrations.{name}")
    for target in targets.targets[name]:
        try:
            importlib.import_module(target.module)
        except ImportError:
            continue
        for owner, attribute, original, wrapper in target._done:
            assert type(wrapper) is type(original)
            assert inspect.iscoroutinefunction(wrapper) == inspect.iscoroutinefunction(original)
            assert inspect.signature(wrapper) == inspect.signature(original)
            assert (wrapper.__name__, wrapper.__qualname__) == (attribute, original.__qualname__)
            assert wrapper.__doc__ == original.__doc__
            assert getattr(owner, attribute) is wrapper


PATHS = ("/items/7/", "/news/7/", "/none", "/fails/value", "/fails/missing", "/stream/whole")


def answers(kind: str) -> list[Answer]:
    """What a client gets, path by path, and of static files."""
    got = [get(kind, path) for path in PATHS]
    return [*got, send(kind, application(kind, static=True), "/static/x.txt")]


@pytest.mark.swallows
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [ValueError, MemoryError, BaseException])
def test_answers_stay_the_same_whatever_fails(
    numbers: Numbers, swallowed: list[Any], kind: str, error: type[BaseException]
) -> None:
    """Each function that Django's requests reach, one after the other."""
    expected = answers(kind)

    def fail(*_: Any, **__: Any) -> Any:
        raise error("sabotage")

    places: list[tuple[Any, str]] = [
        (_django, "exchange_of"),
        (_django, "readable"),
        (_django, "_without_language"),
        (_django.Templates, "__missing__"),
        (django, "taken"),
    ]
    noticed = []
    for owner, name in places:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, fail)
            _django.templates.clear()
            swallowed.clear()
            guard.forget()
            http.broken = False
            assert answers(kind) == expected, name
            noticed.append(bool(swallowed))
    http.broken = False
    _django.templates.clear()

    assert all(noticed)


def test_templates_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolvers of an application's own may make up a pattern for each request."""
    monkeypatch.setattr(_django, "_MOST", 3)
    templates = _django.Templates()

    assert [templates[f"{number}"] for number in range(9)] == [f"/{number}" for number in range(9)]
    assert len(templates) == 3
