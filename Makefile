# Two commands matter: `make demo` and `make test`. Everything they need goes into .venv beside the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test check lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install into .venv, every file checked against its hash

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	  sys.exit(None if ok else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@echo "installing into $(VENV), a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## the whole platform in a minute and a half
	@$(BIN)/pdmctl demo

dev: $(STAMP) ## the same stack kept running, with the Dagster UI
	@$(BIN)/pdmctl dev

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -q

check: $(STAMP) ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: $(STAMP) ## pin all dependencies anew, with hashes (needs uv)
	uv pip compile -q --universal --generate-hashes --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 pyproject.toml --extra dev \
	  -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and all runs
	@[ ! -d var ] || chmod -R u+w var  # model versions are read-only
	rm -rf $(VENV) var
