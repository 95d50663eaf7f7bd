"""Django's patterns as templates that one can read."""

from __future__ import annotations

import pytest

from monagent.integrations._django import readable

PATTERNS = {
    "": "",
    "items/<int:pk>/": "items/<int:pk>/",
    r"^items/(?P<pk>[0-9]+)/$": "items/<pk>/",
    r"items/(?P<pk>[^/.]+)\.(?P<format>[a-z0-9]+)/?$": "items/<pk>.<format>/",
    r"^((?:[\w\-]+/)*)$": "<var>",
    r"^blog/(page-(\d+)/)?$": "blog/<var>",
    r"^(?:(?P<y>\d{4})|(?P<x>y))/(?i:z)": "(<y>|<x>)/z",
    r"^(?P<a>[\]\)(]+)/(?P<b>x(y)z)\Z": "<a>/<b>",
    r"^(?P<a>[]^(]+)$": "<a>",
    r"^\d{4}/[a-z]+/\bx": r"\d{4}/[a-z]+/x",
    r"^(?!admin)(?#all)(?i).*$": ".*",
    r"^(?P<y>\d{4})-(\d+)(lang/(?P<l>..))?": "<y>-<var>lang/<l>",
    r"^(?P<a>x)/(?P=a)$": "<a>/<a>",
    "(": "<var>",
    "[": "[",
    "\\": "",
}


@pytest.mark.parametrize(("pattern", "template"), PATTERNS.items())
def test_a_pattern_reads_as_a_path(pattern: str, template: str) -> None:
    """Groups by name, without anchors and look-arounds; what is no expression ends as well."""
    assert readable(pattern) == template
