# Everything runs in a virtual environment of its own: a fresh machine needs Python 3.11 and make, nothing more.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check docs release bench bench-quick soak wheel clean

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

# three workers even on two cores: a third of their time they wait for a process or a server
test: $(VENV)/.dev ## The test suite
	$(BIN)/python -m pytest -q -n 3 --dist worksteal

check: $(VENV)/.dev ## Lint, types and floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs ## The documentation into build/docs: warnings are errors, and links are checked
	$(BIN)/python -m sphinx -q -E -a -W --keep-going -b html docs build/docs
	$(BIN)/python docs/links.py build/docs

release: $(VENV)/.dev $(VENV)/.docs ## A release: make release VERSION=0.2.0 (uploads nothing; UPLOAD=1 does)
	$(BIN)/python .ci/release.py $(VERSION) $(if $(UPLOAD),--upload)

$(VENV)/.docs: $(VENV)/.cli
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

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
