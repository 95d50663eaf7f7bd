"""Settings of the tested project. Each import of this file leaves a line in SHOP_IMPORTS."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent

if "SHOP_IMPORTS" in os.environ:
    with open(os.environ["SHOP_IMPORTS"], "a") as file:
        file.write(f"{os.getpid()}\n")

DEBUG = bool(os.environ.get("SHOP_DEBUG"))
SECRET_KEY = "tested"
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
ASGI_APPLICATION = "shop.asgi.application"
INSTALLED_APPS = [*os.environ.get("SHOP_APPS", "").split(), "django.contrib.staticfiles"]
MIDDLEWARE = [
    "shop.middleware.Sometimes",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "shop.middleware.both_kinds",
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [HERE / "static"]
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", ":memory:"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
LOGGING = {
    "version": 1,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "loggers": {"django": {"handlers": ["null"], "propagate": False, "level": "CRITICAL"}},
}
