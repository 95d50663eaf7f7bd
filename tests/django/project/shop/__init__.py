"""A small Django project: URL patterns of all kinds, views that answer, fail and stream."""
