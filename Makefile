# Everything runs in a virtual environment of its own, with the versions that were tested.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all style docs setup clean

demo: $(READY)
	$(BIN)/hcore run
	@echo 'hcore is in $(BIN): . $(BIN)/activate makes it known to this shell'

# The tests' models are so small that several threads of one worker only get in each other's way.
test test-all: export OMP_NUM_THREADS := 1

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist worksteal

test-all: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not network" --no-skips

style: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

# The documentation as a site in build/site. The variable silences what the theme says of its successor.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo build/site/index.html

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	# First torch alone, at the tested version, so that nothing else picks another build of it.
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	$(BIN)/python -m pip install --quiet -e ".[demo,dev,docs]" -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .mypy_cache .hypothesis
