# `make demo` and `make test` do all the set-up on a machine with Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint bench-quick lock picture looks clean

setup: .venv/ready

.venv/ready: requirements-dev.lock pyproject.toml tests/spec.lock
	@$(PYTHON) -c 'import sys; sys.exit("Rivulet needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@rm -rf .venv/spec
	$(BIN)/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary :all: --no-build-isolation -d .venv/spec -r tests/spec.lock
	$(BIN)/python -m tarfile -e .venv/spec/*.tar.gz .venv/spec
	@touch $@

demo: setup
	@$(BIN)/rivulet demo

test: setup
	$(BIN)/pytest -n 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-quick: setup
	$(BIN)/python -m tests.bench overhead --quick --json
	$(BIN)/python -m tests.bench stop --quick --json
	$(BIN)/python -m tests.bench kill --quick --json --assert
	$(BIN)/python -m tests.bench term --quick --json --assert
	$(BIN)/python -m tests.bench redeliver --quick --json --assert
	$(BIN)/python -m tests.bench pacing --json
	$(BIN)/python -m tests.bench fuzz --cases 50000 --json --assert
	$(BIN)/python -m tests.bench bombs --quick --json --assert
	$(BIN)/python -m tests.bench render --quick --json
	$(BIN)/python -m tests.bench faults --quick --json --assert
	$(BIN)/python -m tests.bench storm --quick --json
	$(BIN)/python -m tests.bench stops --quick --json --assert
	$(BIN)/python -m tests.bench load --quick --json
	$(BIN)/python -m tests.bench soak --quick --json

# Needs uv; versions and hashes for Python 3.11 to 3.13 on every platform.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements-dev.lock pyproject.toml --group dev -c requirements.lock

picture: setup
	$(BIN)/python -m tests.picture docs/demo.svg

# Needs chromium; says what to install where there is none.
looks: setup
	$(BIN)/python -m tests.looks docs

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
