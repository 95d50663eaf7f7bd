"""What the Django applications have in common: settings, and the views that answer at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path, re_path
from django.views.decorators.http import require_GET


def configure(*installed: str, **more: Any) -> None:
    """Settings as in a file, with the URLs of the module that runs."""
    frame = sys._getframe(1)
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=frame.f_globals["__name__"],
        SECRET_KEY="matrix",
        INSTALLED_APPS=["django.contrib.staticfiles", *installed],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
        ],
        STATIC_URL="/static/",
        STATICFILES_DIRS=[Path(__file__).parent / "static"],
        LOGGING={"version": 1, "loggers": {"django": {"level": "CRITICAL"}}},
        **more,
    )
    django.setup()


@require_GET
def ok(request: HttpRequest, **_: str) -> HttpResponse:
    return HttpResponse("ok")


def item(request: HttpRequest, item: object) -> HttpResponse:
    return HttpResponse(str(item))


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/ok")


def fails(request: HttpRequest) -> HttpResponse:
    raise ValueError


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def upload(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.body)))


def large(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x" * 10_000_000)


many = [path(f"many/{number}/<x>", ok) for number in range(1000)]

urls = [
    path("ok", ok),
    path("items/<int:item>", item),
    path("redirect", redirect),
    path("raise", fails),
    path("teapot", forbidden),
    path("upload", upload),
    path("large", large),
    path("sub/", include([re_path(r"^items/(?P<item>\d+)$", item)])),
]
