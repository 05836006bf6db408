# `make demo` and `make test` do all the set-up on a machine with Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin

# The machine's pip fills .venv where it can (22.3 or newer): one more pip in there takes seconds to make.
PIP = $$(test -x $(BIN)/pip3 && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)
QUIET := --quiet --disable-pip-version-check --no-input

# Installs the packages of the lock file $(1) with the options $(2).  pip spends most of its time on one core, reading
# what there is of each package: two of them install half of the packages each.  Ctrl-C, which a shell keeps from what
# runs in the background, ends the first one too.
define install
	@awk '/^[a-z]/ {n++} {print > (".venv/" n % 2 ".lock")}' $(1)
	@$(PIP) install $(QUIET) --no-deps --require-hashes $(2) -r .venv/0.lock & first=$$!; trap "kill $$first" INT TERM; \
	$(PIP) install $(QUIET) --no-deps --require-hashes $(2) -r .venv/1.lock; second=$$?; wait $$first && exit $$second
endef

.PHONY: setup dev demo demo-check test test-failed lint docs bench-quick bench-crashes bench-judged bench-shown lock sbom picture looks clean

setup: .venv/ready

dev: .venv/ready-dev

# What `rivulet` needs, and its command, which runs this checkout.  Compiled on all cores, where pip would use one;
# of the lexers nobody imports more than one.
.venv/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Rivulet needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Installing $$(grep -c == requirements.lock) packages into .venv; once, in about half a minute ..."
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python $(BIN)/python --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(call install,requirements.lock,--no-compile)
	@$(BIN)/python -m compileall -q -j 0 -x pygments/lexers .venv/lib bot adapters || true
	@echo '$(CURDIR)' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/rivulet.pth"
	@printf '#!/bin/sh\nexec "%s" -P -m bot "$$@"\n' '$(CURDIR)/$(BIN)/python' > $(BIN)/rivulet
	@chmod +x $(BIN)/rivulet
	@touch $@

# What the tests, the linters and the benches need beside that, and whether the lock files have all of it.
.venv/ready-dev: .venv/ready requirements-dev.lock tests/spec.lock tests/schemas.lock
	@echo "Installing what tests and linters need into .venv; once, in about half a minute ..."
	$(call install,requirements-dev.lock,)
	@$(PIP) check --disable-pip-version-check > .venv/check || { cat .venv/check; exit 1; }
	@rm -rf .venv/spec .venv/schemas
	@$(PIP) download $(QUIET) --require-hashes --no-deps --only-binary :all: -d .venv/schemas -r tests/schemas.lock
	@$(PIP) download $(QUIET) --require-hashes --no-deps --no-binary :all: --no-build-isolation -d .venv/spec -r tests/spec.lock
	@$(BIN)/python -m tarfile -e .venv/spec/*.tar.gz .venv/spec
	@touch $@

demo: setup
	@$(BIN)/rivulet demo

demo-check: setup
	$(BIN)/rivulet demo --check

test: dev
	@$(BIN)/python -c 'from tests.browser import MISSING, chromium; chromium() or print(MISSING, "Tests in a browser are left out.")'
	$(BIN)/pytest -n 6 --dist worksteal

# What failed in the last run of all tests, one after the other; fails itself if none did.
test-failed: dev
	$(BIN)/pytest --last-failed --last-failed-no-failures none --maxfail 1

lint: dev docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	nice $(BIN)/mypy
	$(BIN)/lint-imports

# The pages of docs/ as a site in .site/; a link that leads nowhere fails it.
docs: dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# Lanes side by side, since most of a bench is waiting: what is judged, in two, of which `stops`, which is about
# milliseconds, comes first beside one that leaves a core free; and, with what is left, what is only shown and
# fails nothing, since other work could spoil its figures.
# `stop` is not among them, since `stops` has its figures, nor `idle`: `start` measures how soon it is ready and its memory, and its idle CPU takes minutes to be told.
bench-quick: dev
	@$(MAKE) -j 3 --output-sync=target bench-crashes bench-judged bench-shown

bench-crashes: dev
	$(BIN)/python -m tests.bench stops --quick --json --assert
	$(BIN)/python -m tests.bench kill --quick --json --assert

bench-judged: dev
	$(BIN)/python -m tests.bench term --quick --json --assert
	$(BIN)/python -m tests.bench redeliver --quick --json --assert
	$(BIN)/python -m tests.bench faults --quick --json --assert
	$(BIN)/python -m tests.bench fuzz --cases 1000 --json --assert

bench-shown: dev
	-nice $(BIN)/python -m tests.bench conversation --quick --json
	-nice $(BIN)/python -m tests.bench bombs --quick --json
	-nice $(BIN)/python -m tests.bench start --quick --json
	-nice $(BIN)/python -m tests.bench doctor --quick --json
	-nice $(BIN)/python -m tests.bench money --quick --json
	-nice $(BIN)/python -m tests.bench overhead --quick --json
	-nice $(BIN)/python -m tests.bench pacing --quick --json
	-nice $(BIN)/python -m tests.bench render --quick --json
	-nice $(BIN)/python -m tests.bench storm --quick --json
	-nice $(BIN)/python -m tests.bench slow --quick --json
	-nice $(BIN)/python -m tests.bench load --quick --json
	-nice $(BIN)/python -m tests.bench web --quick --json
	-nice $(BIN)/python -m tests.bench cluster --quick --only each --json

# Needs uv; versions and hashes for Python 3.11 to 3.13 on every platform.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --extra mcp -q -o requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --extra mcp -q -o requirements-dev.lock pyproject.toml --group dev -c requirements.lock

# Needs uv; what the image has, as CycloneDX, for a scanner that knows of holes.
sbom:
	uvx -q --from 'cyclonedx-bom>=7,<8' cyclonedx-py requirements requirements.lock --output-reproducible -o sbom.json

# Needs chromium; says what to install where there is none.
picture: setup
	$(BIN)/rivulet demo --record docs/demo.webp

# Needs chromium; says what to install where there is none.
looks: dev
	$(BIN)/python -m tests.looks docs

clean:
	rm -rf .venv .site sbom.json .mypy_cache .pytest_cache .ruff_cache
