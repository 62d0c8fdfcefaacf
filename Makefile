# On a fresh machine with python3 and make: `make demo`, `make test`.

PYTHON ?= python3
VENV ?= .venv
FOLDER ?= demo
DIST ?= dist
# A file's tests, or a class's, stay in one process, and its fixtures are made once.
PYTEST_FLAGS ?= -n 2 --dist loadscope
EXTRAS := dashboard,docs,plots,tests,dist,benchmarks,examples,transformers,peft,lightning,skorch,mlflow
APPLICATIONS := images translation recommendation tables finetuning

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Small matrices on many threads are slower than on one, and the tests bring their own processes.
test lint smoke examples docs dist fuzz kills versions: export OMP_NUM_THREADS = 1

.PHONY: help demo test lint smoke examples docs dist fuzz kills versions clean

help:
	@echo "make demo   tune a network with and without earlier studies (about two minutes)"
	@echo "make test   run the tests"
	@echo "make lint   check style and types"
	@echo "make smoke  run the benchmark and the examples, each in its smallest form"
	@echo "make examples  run each application, in its smallest form"
	@echo "make docs   build the documentation, docs/_build/index.html"
	@echo "make dist   build the wheel and the sdist, check them, install and try them"
	@echo "make fuzz   try 20,000 odd prior studies and targets (about half an hour)"
	@echo "make kills  kill writers of checkpoints, two at a time, fifty times (about a minute)"
	@echo "make versions  run the tests with the oldest and the newest requirements"
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

examples: $(STAMP)
	for name in $(APPLICATIONS); do \
		$(BIN)/python -m examples.$$name --smoke --folder $(FOLDER)/smoke/$$name || exit 1; \
	done

docs: $(STAMP)
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build

# Its tools are pinned, hatchling included: hence no isolation, which `make test`'s install has.
dist: $(STAMP)
	rm -rf $(DIST)
	$(BIN)/python -m build --no-isolation --outdir $(DIST)
	$(BIN)/python -m twine check --strict $(DIST)/*
	OPTUNA_META_DIST=$(DIST) $(BIN)/python -m pytest tests/test_packaging.py

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --examples 20000

kills: export OPTUNA_META_KILLS = 50
kills: $(STAMP)
	$(BIN)/python -m pytest tests/weights/store/test_kills.py

# In environments of its own: what they had and said is added to tests/versions.log. For a torch
# without CUDA that lies on disk: VERSIONS="--pin torch==2.13.0".
versions: $(STAMP)
	$(BIN)/python -m tests.versions $(VERSIONS)

clean:
	rm -rf $(VENV) $(FOLDER) $(DIST) docs/_build docs/gallery build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find optuna_meta benchmarks examples tests -name __pycache__ -prune -exec rm -rf {} +
