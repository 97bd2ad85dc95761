# HK Strategy. `make` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# Tests wait for servers and other processes a third of their time: more workers than cores.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))
PYTEST ?= -n $(WORKERS) --maxprocesses 6 --dist worksteal

# An environment whose Python is gone (an upgrade took it) is as good as none.
$(shell [ -x $(PY) ] || rm -f .venv/ready .venv/ready-dev)

.PHONY: help setup run test quick coverage durations checks bench findings screenshots stop clean programs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/ready ## create .venv with exactly the pinned packages
	@echo "Ready: .venv has what requirements.txt lists."

run: .venv/ready ## start the dashboard, and the embedded servers when DATABASE_URL or REDIS_URL are not set
	@exec $(PY) dashboard.py

test: checks programs ## run every check and every test
	$(PY) -m pytest $(PYTEST)

quick: .venv/ready-dev ## run the quick tests only: no browser, PostgreSQL 18 alone; under two minutes
	$(PY) -m pytest $(PYTEST) -q -m "not slow" --ignore tests/browser

coverage: .venv/ready-dev programs ## run every test and report which lines of src none of them runs
	$(PY) -m pytest $(PYTEST) --cov --cov-report term:skip-covered --cov-report html

durations: .venv/ready-dev programs ## run every test and note how long each takes in tests/durations.json
	$(PY) -m pytest $(PYTEST) --junitxml .pytest_cache/durations.xml
	$(PY) -m tests.durations .pytest_cache/durations.xml

checks: .venv/ready-dev ## run the linters, the type checker and the import contracts only
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) .venv/bin/lint-imports --no-logo

bench: .venv/ready-dev ## measure the live migration against its rivals, and print a table
	$(PY) -m bench

findings: .venv/ready-dev ## write docs/findings.md again from the rules
	$(PY) -m src.ui.system_status.migration.findings_document > docs/findings.md

screenshots: .venv/ready-dev programs ## take the pictures of the README again
	$(PY) -m bench.screenshots

stop: ## stop the dashboard and the embedded servers
	@if [ -e .venv/ready ]; then $(PY) -m src.embedded.stop; else echo "Nothing to stop: there is no .venv to run it with."; fi

clean: stop ## remove .venv and caches; data, backups and settings stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Your data is still in .hk_strategy (or HK_STRATEGY_HOME)."

programs: .venv/ready-dev ## see that the programs which the tests run are there, or install them
	@sh .ci/programs

.venv/bin/python:
	@sh .ci/make-venv

.venv/ready: requirements.txt | .venv/bin/python
	@$(PY) -m pip --version >/dev/null 2>&1 || sh .ci/make-venv
	@echo "Installing what requirements.txt lists into .venv ..."
	@$(PIP) install -r requirements.txt
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	@echo "Installing what requirements-dev.txt lists into .venv ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $@
