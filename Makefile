# Yutang on one machine. `make run` opens the mall; `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# The Python that is named makes .venv, also where another one has made it.
ifneq ($(origin PYTHON),file)
OTHER := $(shell test -x $(BIN)/python && test "$$($(BIN)/python -V)" != "$$($(PYTHON) -V)" && echo other)
endif
TYPED := app.py chalicelib local tools bench infra tests/support

.DEFAULT_GOAL := help
# Compiled modules are kept: the tests start some hundred processes, each of which would compile them all again.
export PYTHONDONTWRITEBYTECODE =
.PHONY: $(OTHER) help run test unit check hooks demo drill import audit permissions openapi pins advisories mutants bench package lint format types clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-11s %s\n", $$1, $$2 }'

run: $(INSTALLED) ## open the mall: API 8000, WeChat sandbox 8001, control 8002 (PORT, SANDBOX_PORT, CONTROL_PORT, DYNAMODB_PORT)
	@$(BIN)/python -m local.up

demo: $(INSTALLED) ## play purchases, group-buys, a commission, segments and a journey in the mall that `make run` opened
	@$(BIN)/python -m local.demo

import: $(INSTALLED) ## put a catalogue into it: make import FILE=products.csv [CATEGORIES=categories.csv] [COLUMNS=map.json]
	@test -n "$(FILE)" || { echo "make import FILE=products.csv [CATEGORIES=] [COLUMNS=map.json] [FREIGHT=templates.json]"; exit 2; }
	@$(BIN)/python -m tools.import_catalogue "$(FILE)" $(if $(CATEGORIES),--categories "$(CATEGORIES)") \
		$(if $(COLUMNS),--columns "$(COLUMNS)") $(if $(FREIGHT),--freight "$(FREIGHT)")

audit: $(INSTALLED) ## hold orders, journal, balances, stock, coupons, commissions and WeChat's books against each other
	@$(BIN)/python -m tools.audit

drill: $(INSTALLED) ## lose a mall of its own and restore it: export, wipe, restore, audit
	@$(BIN)/python -m tools.drill

test: $(INSTALLED) ## all tests (one file: .venv/bin/pytest tests/...)
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

unit: $(INSTALLED) ## the fast lane: the tests that need no engine and no server, within a minute
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile tests/unit

check: lint types unit ## before every commit: style, types, the fast lane

hooks: $(INSTALLED) ## have git check style and types before each commit, and the fast lane before each push
	@$(BIN)/pre-commit install

permissions: $(INSTALLED) ## what each function may do, written anew from what the last full `make test` saw
	@$(BIN)/python -m infra.permissions .pytest_cache/d/yutang-calls

openapi: $(INSTALLED) ## docs/openapi.json, written anew from what the endpoints declare
	@$(BIN)/python -m tools.openapi

pins: $(INSTALLED) ## the hashes in requirements*.txt, written anew after a version was changed
	@$(BIN)/python -m tools.pins

advisories: $(INSTALLED) ## is a vulnerability known of what is deployed? asks outside
	@$(BIN)/python -m tools.advisories

mutants: $(INSTALLED) ## small faults planted in the rules: do the unit tests notice? make mutants [MINUTES=20] [SEED=1] [ONLY=chalicelib/commerce]
	@$(BIN)/python -m tools.mutants --minutes $(or $(MINUTES),20) --seed $(or $(SEED),1) --only $(or $(ONLY),chalicelib)

bench: $(INSTALLED) ## what the mall costs
	$(BIN)/python -m bench

package: $(INSTALLED) ## what is deployed, into build/package: make PYTHON=python3.13 package [STAGE=prod] [REGION=cn-north-1] [TABLES=deployed.json]
	@$(BIN)/python -m infra.package --stage $(or $(STAGE),prod) --region $(or $(REGION),cn-north-1) \
	  $(if $(TABLES),--tables "$(TABLES)")

lint: $(INSTALLED) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## put the style right where that can be done by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy $(TYPED)

clean: ## remove the local mall's data and what tools leave; keeps .venv and .cache
	rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt requirements-dev.txt $(OTHER)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Yutang needs Python 3.11 or newer; '$(PYTHON)' is not. Name one: make PYTHON=python3.12 ..."; exit 1; }
	@test -z "$(OTHER)" || rm -rf .venv
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
	  echo "'$(PYTHON) -m venv' does not work here (on Debian and Ubuntu: install python3-venv)"; rm -rf .venv; exit 1; }
	@echo "installing what requirements.txt and requirements-dev.txt name into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@
