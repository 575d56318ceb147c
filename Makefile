# `make help` lists what there is. Only .venv/bin/python is ever used, never what happens to be on
# the PATH; an install happens when a lock file differs from what was installed last.

.DEFAULT_GOAL := help
.PHONY: help up down test lint format bench bench-privacy lock runtime development

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --no-input
# Only wheels (and localstripe, pure Python without one), so that nobody needs a compiler. Byte code
# is written when a module is first imported, which brings the first page 7 s earlier than compiling
# everything that pip installs (2 cores).
INSTALL := $(PIP) install --quiet --require-hashes --no-compile \
  --only-binary=:all: --no-binary=localstripe
PYTHONS := python3.14 python3.13 python3.12 python3.11 python3 python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

help: ## show these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

up: runtime ## start everything and print the address; Ctrl-C stops it
	@exec $(PYTHON) -m llmcost.up

down: runtime ## stop what `make up` has started in this folder
	@$(PYTHON) -m llmcost.up.down

test: lint ## lint, then run all tests on all cores, with coverage
	$(PYTHON) -m pytest -n auto --cov --cov-report=term:skip-covered

lint: development ## check style, types, import directions, templates, migrations
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m djlint --quiet --lint templates
	$(PYTHON) manage.py makemigrations --check --dry-run

format: development ## let ruff put the code in order
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench: development ## measure ingest against this machine's limits
	$(PYTHON) bench/ingest.py

bench-privacy: development ## measure export, erasures and purge; CALLS=1_000_000 for fewer
	$(PYTHON) bench/privacy.py $(CALLS)

lock: development ## renew requirements.txt, requirements/local.txt and dev.txt from the .in files
	$(PIP) install --quiet uv
	@for name in requirements requirements/local requirements/dev; do \
	  $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-strip-extras --no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt || exit 1; \
	done

runtime: $(PYTHON)
	@cmp -s requirements/local.txt $(VENV)/runtime.lock || { \
	  echo "Installing dependencies; this happens once …"; \
	  $(INSTALL) -r requirements/local.txt && cp requirements/local.txt $(VENV)/runtime.lock; }

development: $(PYTHON)
	@cmp -s requirements/dev.txt $(VENV)/development.lock || { \
	  echo "Installing development dependencies; this happens once …"; \
	  $(INSTALL) -r requirements/dev.txt && \
	  cp requirements/dev.txt $(VENV)/development.lock && \
	  cp requirements/local.txt $(VENV)/runtime.lock; }

$(PYTHON):
	@for python in $(PYTHONS); do \
	  if $$python -c '$(NEW_ENOUGH)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is needed, and none was found on the PATH: install one." >&2; \
	  exit 1; \
	fi; \
	if ! $$found -m venv --clear $(VENV) >/dev/null 2>&1; then \
	  rm -rf $(VENV); \
	  echo "$$found cannot make a virtual environment: install its venv module" \
	    "(Debian: python3-venv)." >&2; \
	  exit 1; \
	fi
