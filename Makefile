# Each target sets up all it needs. The environment is made anew when the pins change.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: higgs test test-slow test-gpu lint clean

$(VENV)/.installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

higgs: $(VENV)/.installed
	$(BIN)/ensemble run higgs --jobs -1 $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest $(ARGS)

test-slow: $(VENV)/.installed-dev
	$(BIN)/pytest -m slow $(ARGS)

test-gpu: $(VENV)/.installed-dev
	$(BIN)/pytest -m gpu $(ARGS)

clean:
	rm -rf $(VENV)
