# Each target sets up all it needs. The environment is made anew when the pins change.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers

.PHONY: higgs test test-slow test-gpu test-ray lint bench bench-gpu peers clean

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

test-ray: $(VENV)/.installed-dev
	$(BIN)/pip install -q -c constraints.txt -e '.[cluster]'
	$(BIN)/pytest -m ray $(ARGS)

bench: $(VENV)/.installed peers
	$(BIN)/python -m benchmarks.speed $(ARGS)

bench-gpu: $(VENV)/.installed peers
	$(BIN)/python -m benchmarks.speed --device cuda --winner $(ARGS)

# pytabkit and TabM live apart; without them the others are measured all the same
peers:
	@$(MAKE) --silent $(PEERS)/.installed \
	|| echo "the peers of benchmarks/peers.txt do not install here: going on without"

$(PEERS)/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install -q -r benchmarks/peers.txt
	touch $@

clean:
	rm -rf $(VENV) $(PEERS)
