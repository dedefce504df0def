# Two commands matter: `make demo` and `make test`. Everything they need goes into .venv beside the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo dev firmware firmware-cost up down backup restore test test-stack chaos check bench dashboards lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install into .venv, every file checked against its hash

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	  sys.exit(None if ok else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@echo "installing into $(VENV), a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## the whole platform in a few minutes
	@$(BIN)/pdmctl demo

dev: $(STAMP) ## the same stack kept running, with the Dagster UI
	@$(BIN)/pdmctl dev

firmware: ## the firmware's pumps for this computer: var/firmware/native/pump-twin
	@for tool in g++:g++ cmake:cmake mosquitto.h:libmosquitto-dev; do \
	  command -v $${tool%%:*} >/dev/null || [ -e /usr/include/$${tool%%:*} ] || { \
	    echo "$${tool%%:*} is missing: Debian's package $${tool##*:} brings it" >&2; exit 1; }; done
	@cmake -S firmware -B var/firmware/native >/dev/null
	@cmake --build var/firmware/native --parallel -- --no-print-directory
	@echo "built var/firmware/native/pump-twin: --help tells what it does"

firmware-cost: ## what the firmware's core costs on a chip: instructions, stack, sizes; ARGS=--json
	@$(PYTHON) -m firmware.cost $(ARGS)

up: ## the stack on real servers, in containers; DEMO=1 adds simulated pumps
	@DEMO="$(DEMO)" deploy/up.sh

down: ## stop the stack; its data stays
	@. deploy/lib.sh && need_docker && compose down

backup: ## all of the stack's data and secrets, into backups/ or TO=folder
	@deploy/backup.sh $(if $(TO),"$(TO)")

restore: ## FROM=folder: put a backup into an empty stack; REPLACE=1 empties it first
	@REPLACE="$(REPLACE)" deploy/restore.sh $(if $(FROM),"$(FROM)")

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

test-stack: $(STAMP) ## the stack for real: a model promoted, each container killed, backup and restore; a quarter of an hour
	@PDM_TEST_STACK=1 $(BIN)/python -m pytest tests/stack -q -s -x

chaos: $(STAMP) ## a million readings through each broker while all is killed, frozen and cut off; 15 minutes; ARGS="--seed 1"
	@$(BIN)/python -m tests.chaos --broker nats --store sqlite --readings 1000000 --faults 30 $(ARGS)
	@$(BIN)/python -m tests.chaos --broker mosquitto --store $$(command -v influxd >/dev/null && echo influxdb || echo sqlite) \
	  --readings 1000000 --faults 30 $(ARGS)

check: $(STAMP) ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP) ## each part beside a reference, into var/bench; twenty minutes; ARGS="--only store", ARGS=--profile
	@$(BIN)/python -m benchmarks $(ARGS)

dashboards: $(STAMP) ## make Grafana's dashboards anew from grafana/
	@$(BIN)/python -m grafana.build

lock: $(STAMP) ## pin all dependencies anew, with hashes (needs uv)
	uv pip compile -q --universal --generate-hashes --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 pyproject.toml --extra dev \
	  -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and all runs
	@[ ! -d var ] || chmod -R u+w var  # model versions are read-only
	rm -rf $(VENV) var
