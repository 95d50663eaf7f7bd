"""Applications by mount point, as uWSGI finds them in a module."""

from plain import wsgi

applications = {b"/m": wsgi, b"/n": wsgi}
