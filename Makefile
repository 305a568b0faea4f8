# Everything a newcomer needs: make demo | make test | make check | make bench
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: install system demo test check bench replay

install: $(READY)

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@

# Tests also want a browser and PostgreSQL's programs; without them the tests that do are skipped, with a reason.
system:
	sh bench/system.sh

demo: install
	$(BIN)/rollcall demo

test: install system
	$(BIN)/pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/test_house.py

bench: install system
	$(BIN)/python -m bench.planning
	$(BIN)/python -m bench.sources
	$(BIN)/python -m bench.onboarding
	$(BIN)/python -m bench.start
	$(BIN)/python -m bench.monday
	$(BIN)/python -m bench.emergency
	$(BIN)/python -m bench.waiting
	$(BIN)/python -m bench.cohort
	$(BIN)/python -m bench.quota

replay: install
	$(BIN)/python -m bench.replay --csv $(CSV)
