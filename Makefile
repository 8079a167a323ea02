# make serve   the example models on http://127.0.0.1:8080 (PORT= changes it)
# make test    every check: lint, types, imports, tests
# make build   the SAM application, ready for `sam deploy`
# make bench   the budgets, measured against what one would use instead; QUICK=1 for a first look
# make soak    what takes too long for CI
# make pins    the pinned requirements, after a change of an .in file

PYTHON ?= python3.13
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := serve
.PHONY: serve test build bench soak pins clean

serve: .venv/serve
	@$(BIN)/despliegue serve --inbox

test: .venv/dev
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

build: .venv/dev
	sam build

bench: .venv/dev
	python -m benchmarks $(if $(QUICK),--quick)

# What takes too long for CI: ten minutes of fuzzing, a hundred killed jobs, gigabytes in flat memory, every kind of model
# converted in processes of its own, every benchmark once around.
soak: .venv/dev
	FUZZ_SECONDS=600 pytest tests/fuzz
	SOAK=1 pytest tests/score tests/add/matrix
	python -m benchmarks --quick

pins: .venv/dev
	requirements/compile

clean:
	rm -rf .venv .aws-sam build

# What is pinned, installed with its hashes; again when a pin changes.
.venv/serve: requirements/serve.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || \
		{ echo "python3.13 is needed; PYTHON= names it: make serve PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/serve.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/serve requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
