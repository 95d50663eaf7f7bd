"""URL patterns: nested, namespaced, regular expressions, prefixed by language."""

from __future__ import annotations

from importlib.util import find_spec

from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path, re_path

from shop import views

items = [
    path("<int:pk>/", views.Items.as_view(), name="item"),
    path("later/<int:pk>/", views.later),
    re_path(r"^(?P<year>[0-9]{4})-(?P<month>\d\d)\.(?P<format>[a-z]+)/?$", views.item),
    re_path(r"^page/(\d+)$", views.item),
]
limited = []
if find_spec("django_ratelimit"):
    from django_ratelimit.decorators import ratelimit

    limited = [path("limited", ratelimit(key="ip", rate="9/h")(views.item))]
urlpatterns = [
    path("", views.item),
    path("api/<slug:tenant>/", include(([path("items/", include(items))], "api"))),
    path("items/", include((items, "items"), namespace="shop")),
    path("fails/<kind>", views.fails),
    path("fails/later/<kind>", views.fails_later),
    path("unavailable", views.unavailable),
    path("echo", views.echo),
    path("stream/<kind>", views.stream),
    path("file", views.file),
    path("query", views.query),
    *limited,
    *i18n_patterns(path("news/<int:pk>/", views.item), prefix_default_language=False),
]
