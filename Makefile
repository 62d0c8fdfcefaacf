# On a fresh machine with python3 and make: `make demo`, `make test`.

PYTHON ?= python3
VENV ?= .venv
FOLDER ?= demo
# A file's tests, or a class's, stay in one process, and its fixtures are made once.
PYTEST_FLAGS ?= -n 2 --dist loadscope
EXTRAS := dashboard,plots,tests,benchmarks

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Small matrices on many threads are slower than on one, and the tests bring their own processes.
test lint smoke: export OMP_NUM_THREADS = 1

.PHONY: help demo test lint smoke clean

help:
	@echo "make demo   tune a network with and without earlier studies (about two minutes)"
	@echo "make test   run the tests"
	@echo "make lint   check style and types"
	@echo "make smoke  run the benchmark and the examples, each in its smallest form"
	@echo "make clean  delete what these made; a second 'make demo' installs again"

# Installs again only when the requirements have changed.
$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV): this takes a few minutes and about 2 GB"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

demo: $(STAMP)
	$(BIN)/python examples/first_transfer.py --folder $(FOLDER)

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

smoke: $(STAMP)
	$(BIN)/python -m benchmarks.arena --smoke
	$(BIN)/python examples/first_transfer.py --smoke --folder $(FOLDER)/smoke
	$(BIN)/python examples/changed_search_space.py
	$(BIN)/python examples/explain_suggestion.py

clean:
	rm -rf $(VENV) $(FOLDER) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find optuna_meta benchmarks examples tests -name __pycache__ -prune -exec rm -rf {} +
