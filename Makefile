# `make help` lists what there is. Everything is installed into .venv here; nothing else on the machine is changed.

# Any Python from 3.11 on: the first of these that is one.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Test processes at a time, and more words for pytest: make test ARGS="-k fence -x"
JOBS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo quick test docker-test drills lint types docs reference bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## a night of CCD frames, from raw to notices, on this machine (3 minutes after installation)
	$(BIN)/underbutler demo $(ARGS)

quick: lint types ## before a commit: lint, types, unit tests without services and long searches (2 minutes)
	$(BIN)/pytest -q -n $(JOBS) --dist loadgroup -m "not postgres and not machine" --hypothesis-profile=quick tests/unit $(ARGS)

test: $(VENV)/dev.stamp ## the whole test suite; services that are not installed are skipped
	$(BIN)/pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder $(ARGS)

docker-test: $(VENV)/dev.stamp ## image, docker-compose.yml and workers in containers; needs a Docker daemon
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -m docker tests/docker $(ARGS)

drills: $(VENV)/dev.stamp ## kill, stop and break what runs, and print what was lost (40 minutes; ARGS=--drill-scale=small: 7)
	$(BIN)/pytest -q -n $(JOBS) --dist loadgroup -m drill tests/acceptance/drills --drill-report .drills/table $(ARGS)

lint: $(VENV)/dev.stamp ## style, formatting, import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev.stamp ## mypy, strict
	$(BIN)/mypy

docs: $(VENV)/dev.stamp ## the documentation site, into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going --nitpicky --jobs $(JOBS) --quiet docs docs/_build/html
	@echo "open docs/_build/html/index.html"

reference: $(VENV)/dev.stamp ## the page of settings, from the program (docs/reference/settings.md)
	$(BIN)/python docs/reference_pages

bench: $(VENV)/dev.stamp ## every benchmark, one after the other
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python "$$script" $(ARGS); done

clean: ## remove what was made here
	rm -rf $(VENV) .demo .drills build dist docs/_build docs/reference/*/ .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 on was found. Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

# What CI installs: one tested set of packages for each Python. One that has no file gets what pip finds.
CONSTRAINTS = $(wildcard constraints/py$(shell $(BIN)/python -c 'import sys; print("%d%d" % sys.version_info[:2])').txt)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Installed again when one of these changes; the sources are used where they are.
$(VENV)/demo.stamp: pyproject.toml client/pyproject.toml $(wildcard constraints/*.txt) | $(VENV)/pyvenv.cfg
	@sed -n 's/^\([^# ]*\) \\$$/\1/p' $(CONSTRAINTS) /dev/null > $(VENV)/versions.txt
	$(PIP) install -c $(VENV)/versions.txt -e ./client -e '.[science,embedded,plot,api,beat]'
	@touch $@

# With hashes pip takes nothing that is not in the file, not even what builds us; without, it looks for itself.
$(VENV)/dev.stamp: pyproject.toml client/pyproject.toml $(wildcard constraints/*.txt) | $(VENV)/pyvenv.cfg
	$(if $(CONSTRAINTS),$(PIP) install --require-hashes -r $(CONSTRAINTS))
	$(PIP) install $(if $(CONSTRAINTS),--no-deps --no-build-isolation) -e ./client -e $(if $(CONSTRAINTS),.,'.[dev]')
	@touch $(VENV)/demo.stamp $@
