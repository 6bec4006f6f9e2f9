# Everything runs in a virtual environment of its own: a fresh machine needs Python 3.11 and make, nothing more.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-quick soak wheel clean

help: ## What there is to make
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.cli: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cli]'
	@touch $@

$(VENV)/.dev: $(VENV)/.cli
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.cli ## The whole way: forty jobs with real speech, their tasks and their videos, against a sandbox on this machine
	@$(BIN)/lipsync-async demo

test: $(VENV)/.dev ## The test suite
	$(BIN)/python -m pytest -q -n 2

check: $(VENV)/.dev ## Lint, types and floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench ## All benchmarks, under ten minutes; results in benchmarks/results
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.bench ## The same in under a minute, nothing written
	$(BIN)/python -m benchmarks --quick

soak: $(VENV)/.dev ## The simulation, the crash test and signals at random for longer
	$(BIN)/python -m benchmarks.soak

$(VENV)/.bench: $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@

wheel: $(VENV)/.dev ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean: ## Remove what was built
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
