"""Celery with real workers on real brokers."""
