# The front door: `make demo` and `make test` work in a fresh clone with Python 3.10+ and a package index.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)

# ONLY=hello (make bench), ARGS="-k name" (make test), STAY=1 (make demo)
ONLY ?=
ARGS ?=
STAY ?=

.PHONY: help demo test lint bench soak clean

help:
	@echo 'make demo    a sample application under monagent run, traffic, and what was recorded (STAY=1 keeps it up)'
	@echo 'make test    everything: format, lint, types, layers, tests with real servers (ARGS="-k name")'
	@echo 'make lint    format, lint, types, layers'
	@echo 'make bench   cost against the peers, written to benchmarks/RESULTS.md (ONLY=hello)'
	@echo 'make soak    a minute of load with a kill -9 each second, then 2,000 recycled workers'
	@echo 'make clean   remove what the other targets made'

# install(FOLDER, WHAT): a virtual environment with what is named, by uv, which pip fetches into the
# environment where there is none (pip alone takes minutes, and before 25.3 may find no way).
define install
	@if command -v uv >/dev/null 2>&1; then \
		{ test -x $(1)/bin/python || uv venv -q --python "$$(command -v $(PYTHON))" $(1); } && \
		uv pip install -q --python $(1)/bin/python $(2); \
	else \
		{ test -x $(1)/bin/python || $(PYTHON) -m venv $(1); } && \
		{ test -x $(1)/bin/uv || $(1)/bin/python -m pip install -q --disable-pip-version-check uv; } && \
		$(1)/bin/uv pip install -q --python $(1)/bin/python $(2); \
	fi
endef

demo:
	@echo 'demo: preparing .venv-demo'
	$(call install,.venv-demo,-e '.[demo]')
	@.venv-demo/bin/python -m monagent.demo $(if $(filter-out 0 no false,$(STAY)),--stay)

test:
	@.ci/servers
	$(call install,.venv,-e '.[test]')
	@$(MAKE) --no-print-directory check
	.venv/bin/python -m pytest $(ARGS)

lint:
	$(call install,.venv,-e '.[test]')
	@$(MAKE) --no-print-directory check

.PHONY: check
check:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

# Installed as users have it: run from the tree, monagent needs one more variable in the environment.
bench:
	$(call install,.venv-bench,--reinstall-package monagent '.[bench]')
	@.venv-bench/bin/python -m benchmarks $(ONLY)

soak:
	$(call install,.venv,-e '.[test]')
	MONAGENT_SOAK=60 MONAGENT_SOAK_WORKERS=2000 .venv/bin/python -m pytest tests/e2e/test_churn.py tests/e2e/test_state.py

clean:
	rm -rf .venv .venv-demo .venv-bench build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
