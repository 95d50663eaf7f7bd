"""Views limited by django-ratelimit."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path
from django_ratelimit.core import is_ratelimited
from django_ratelimit.decorators import ratelimit


def client(group: str, request: Any) -> str:
    return "client"


def view(request: Any) -> HttpResponse:
    return HttpResponse("in")


def asking(request: Any) -> HttpResponse:
    refused = is_ratelimited(request, "own", key=client, rate="1/h", increment=True)
    return HttpResponse(status=429 if refused else 200)


twice = ratelimit(key=client, rate="2/h")(ratelimit(key=client, rate="100/h")(view))
inner = ratelimit(key=client, rate="100/h")(ratelimit(key=client, rate="2/h")(view))
passing = ratelimit(key=client, rate="1/h", block=False)(ratelimit(key=client, rate="9/h")(view))
urlpatterns = [
    path("twice", twice),
    path("inner", inner),
    path("passing", passing),
    path("posts", ratelimit(key=client, rate="1/h", method="POST")(view)),
    path("asking", asking),
]
