# Needed: Python 3.11 or newer, pip and make. Another Python: make quickstart PYTHON=python3.12

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -n $(JOBS) --dist worksteal

# Debian's Python has no pip for environments: then the pip outside installs into it.
INSTALL = if $(PY) -m pip --version >/dev/null 2>&1; then pip="$(PY) -m pip"; \
          else pip="$(PYTHON) -m pip --python $(PY)"; fi; \
          $$pip install --disable-pip-version-check -c constraints.txt $(if $(LOCKED),-c requirements/dev.txt) -e

.DEFAULT_GOAL := help
.PHONY: help env quickstart test test-fast test-long test-web test-docs test-examples test-extras lint format types check docs demo docker generated fuzz kill speed release-check lock audit sbom

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Tests run in JOBS=$(JOBS) processes. The environment is made in $(VENV) with PYTHON=$(PYTHON).'

# The stamps record what is installed. pyproject.toml or constraints.txt newer than a stamp: install again.
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

$(VENV)/docs.stamp: $(VENV)/dev.stamp
	$(INSTALL) '.[docs]'
	@touch $@

# Ray, napari and bioimageio.core: 1 GB, and other versions than the rest, so that they have an environment of their own.
EXTRAS := .venv-extras
$(EXTRAS)/extras.stamp: pyproject.toml constraints.txt
	$(MAKE) --no-print-directory VENV=$(EXTRAS) $(EXTRAS)/python.stamp
	$(subst $(PY),$(EXTRAS)/bin/python,$(INSTALL)) '.[ray,napari,bioimageio,remote,zarr,quickstart]' PyQt6 pytest pytest-xdist hypothesis
	@touch $@

# The programs that look after a release have an environment of their own: they must not change what the tests see.
TOOLS := .venv-release
$(TOOLS)/tools.stamp: requirements/release.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install -q --disable-pip-version-check -r requirements/release.txt
	@touch $@

quickstart: $(VENV)/quickstart.stamp ## Search, train and evaluate on shipped photographs: a first run, from nothing
	$(VENV)/bin/clearer quickstart

env: $(VENV)/dev.stamp ## Make the environment for development

test: $(VENV)/dev.stamp ## Run all tests except the long ones, those in the browser and the tutorials
	$(PYTEST)

test-fast: $(VENV)/dev.stamp ## Run the tests that take less than a minute together
	$(PYTEST) -m 'not slow and not long and not web and not tutorial' tests

test-long: $(VENV)/dev.stamp ## Run the tests that take ten seconds or so each
	$(PYTEST) -m long tests

test-web: $(VENV)/dev.stamp ## Run the tests of the web pages in Chromium (installed by apt if missing)
	@command -v chromium >/dev/null || sh tests/install_chromium.sh
	@command -v npm >/dev/null || echo "test-web: no npm, so the page of clearer export --demo is not tested" >&2
	@! command -v npm >/dev/null || [ -d build/runtimes/node_modules/onnxruntime-web ] || \
		npm install --silent --no-fund --no-audit --ignore-scripts --prefix build/runtimes onnxruntime-web
	$(PY) -m pytest -m web -rs tests/web

test-examples: $(VENV)/dev.stamp ## Run the examples of an exported folder in Python, C++, Node and Chromium
	@command -v chromium >/dev/null || sh tests/install_chromium.sh
	PYTHON=$(PY) sh tests/install_runtimes.sh
	$(PY) -m pytest -m 'web or not web' -rs tests/deploy/test_folder.py

test-extras: $(EXTRAS)/extras.stamp ## Run the tests that need Ray, napari or bioimageio.core, in an environment of their own
	@QT_QPA_PLATFORM=offscreen $(EXTRAS)/bin/python -c 'from qtpy import QtWidgets' 2>/dev/null || \
		echo "test-extras: Qt cannot be loaded, so the widget is not tested; as root: apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3" >&2
	$(EXTRAS)/bin/python -m pytest -n $(JOBS) -rs tests/bulk/test_ray.py tests/napari tests/deploy/test_bioimage.py

test-docs: $(VENV)/dev.stamp ## Run the guides, the tutorials and the notebooks of docs/
	$(PYTEST) -m tutorial tests/docs

fuzz: $(VENV)/dev.stamp ## Try N damaged files of all kinds (default: 100000); a stopped run goes on
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(PY) -m fuzz --cases $(or $(N),100000) --jobs $(JOBS)

lint: $(VENV)/dev.stamp ## Check the code with ruff
	$(PY) -m ruff check

format: $(VENV)/dev.stamp ## Format the code with ruff
	$(PY) -m ruff check --fix
	$(PY) -m ruff format src tests benchmarks tools

types: $(VENV)/dev.stamp ## Check the types with mypy
	$(PY) -m mypy

check: lint types test test-long ## Run lint, types and all tests but those in the browser and the tutorials

docs: $(VENV)/docs.stamp ## Build the documentation site into build/site
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

demo: $(VENV)/docs.stamp ## Build the site with a page that restores in the browser, in build/site/demo (needs npm)
	npm install --silent --no-fund --no-audit --ignore-scripts --prefix build/runtimes onnxruntime-web
	rm -rf build/demo
	$(VENV)/bin/clearer export denoise-photo-fast --demo build/demo --onnxruntime-web build/runtimes/node_modules/onnxruntime-web
	CLEARER_DEMO=build/demo $(MAKE) docs

docker: $(TOOLS)/tools.stamp ## Check the Dockerfile; where Docker runs, build it and restore an image in it
	$(TOOLS)/bin/hadolint Dockerfile
	@if docker info >/dev/null 2>&1; then \
		docker build -q -t clearer . && docker run --rm clearer models --no-measure && \
		docker run --rm -v "$$PWD/docs/images:/images:ro" clearer restore auto /images/tutorial-photo.jpg -o /tmp/restored.jpg; \
	else echo "docker: no daemon answers, so the image is not built" >&2; fi

generated: $(VENV)/dev.stamp ## Write the generated parts of docs/, README.md and models/README.md
	$(PY) tools/make_results.py
	$(PY) tools/make_models.py
	$(PY) tools/make_architecture.py
	$(PY) tools/make_notebooks.py

kill: $(VENV)/dev.stamp ## Kill commands at random moments (N of each verb, SEED, ONLY=verb), and run them again
	PYTHONPATH=tests $(PY) -m kill --runs $(or $(N),50) --seed $(or $(SEED),0) $(if $(ONLY),--only "$(ONLY)") $(if $(SIGNAL),--signal $(SIGNAL)) $(if $(MINUTES),--minutes $(MINUTES))

speed: $(VENV)/dev.stamp ## Time training, search and restoring beside a plain implementation
	$(PY) benchmarks/speed/speed.py

release-check: $(TOOLS)/tools.stamp ## Build sdist and wheel, install each anew, run README's commands (docs/releasing.md)
	$(TOOLS)/bin/python tools/release_check.py

# Where the backend's index is not at hand: make lock TORCH='--find-links FOLDER'
TORCH ?= --torch-backend cpu
lock: $(TOOLS)/tools.stamp ## Renew requirements/dev.txt, the versions of make env LOCKED=1
	$(TOOLS)/bin/uv pip compile -q pyproject.toml --extra dev --python-version 3.11 $(TORCH) -c constraints.txt --upgrade --no-emit-package torch --no-header --no-annotate -o requirements/dev.new
	{ head -1 requirements/dev.txt; cat requirements/dev.new; } > requirements/dev.tmp
	mv requirements/dev.tmp requirements/dev.txt && rm requirements/dev.new

audit: $(VENV)/dev.stamp $(TOOLS)/tools.stamp ## Look up known vulnerabilities of all installed packages; one that cannot be looked up fails
	$(TOOLS)/bin/pip-audit --strict --skip-editable --path "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

sbom: $(VENV)/dev.stamp $(TOOLS)/tools.stamp ## Write dist/sbom.json, the parts of the environment (CycloneDX)
	@mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible -o dist/sbom.json $(PY)
