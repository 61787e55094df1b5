# make quickstart: a first run, from nothing.    make check: lint, types and tests.
# Needed: Python 3.11 or newer, pip and make. Another Python: make quickstart PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

# Debian's Python has no pip for environments: then the pip outside installs into it.
INSTALL = if $(PY) -m pip --version >/dev/null 2>&1; then pip="$(PY) -m pip"; \
          else pip="$(PYTHON) -m pip --python $(PY)"; fi; \
          $$pip install --disable-pip-version-check -c constraints.txt -e

.PHONY: help env quickstart test test-web lint types check

help:
	@sed -n 1,2p Makefile

# The stamps tell what is installed; they are older than pyproject.toml when it has to be done again.
$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "clearer needs Python 3.11 or newer, and this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@touch $@

$(VENV)/quickstart.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(INSTALL) '.[quickstart]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(INSTALL) '.[dev]'
	@touch $(VENV)/quickstart.stamp $@

env: $(VENV)/dev.stamp

quickstart: $(VENV)/quickstart.stamp
	$(VENV)/bin/clearer quickstart

test: $(VENV)/dev.stamp
	$(PY) -m pytest

# The page in a real browser. Debian's Chromium is installed where there is none.
test-web: $(VENV)/dev.stamp
	@command -v chromium >/dev/null || sh tests/install_chromium.sh
	$(PY) -m pytest -m web tests/web/test_page.py

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check

types: $(VENV)/dev.stamp
	$(PY) -m mypy

check: lint types test
