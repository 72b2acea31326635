# One word for each thing a person does.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint types bench docs check lock clean

setup: .venv/.done ## the virtual environment, the germane command and the development tools

.venv/.done: requirements-dev.lock requirements-sdist.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes -r requirements-sdist.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup ## the example network's weekly edition, from nothing to mails you can look at
	$(BIN)/germane demo

test: setup ## the whole suite
	$(BIN)/pytest -n auto

lint: setup ## style, and the directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

bench: setup ## ratios against named peers and limits, in one run
	$(BIN)/python -m bench

docs: setup ## write the reference of commands and settings from the code
	$(BIN)/python -m jobs.reference

check: lint types test ## everything that must hold before a commit lands

lock: ## renew the lock files (needs uv); no address and no command line may stay in them
	for name in requirements requirements-dev; do \
	  uv pip compile $$name.in --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet -o $$name.lock; done
	uv pip compile requirements-sdist.in --no-deps --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet -o requirements-sdist.lock

clean:
	rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
