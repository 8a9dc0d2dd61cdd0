# `make` lists the targets. They run in locked environments, .venv and .venv-checks; after
# `source .venv/bin/activate` the same commands work without make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON
# For tests and benchmarks, which fit models in other processes; see churn.cli.main.main.
export OMP_WAIT_POLICY := passive

PYTEST := pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

PIPELINE := .venv/pipeline.installed
DEV := .venv/dev.installed
CHECKS := .venv-checks/checks.installed
LOAD := .venv-load/load.installed
SPARK := .venv-spark/spark.installed
ORCHESTRATORS := prefect dagster airflow

# Of make load, and of make soak.
URL := http://127.0.0.1:8000
SECONDS := 60
USERS := 20
MINUTES := 10

# Make the environments again if this folder was moved: their programs name the old path.
MOVED := $(shell for venv in .venv .venv-checks .venv-load .venv-spark $(ORCHESTRATORS:%=.venv-%); do \
  [ ! -e $$venv/bin/activate ] || grep -qsF "'$$(cd $$venv && pwd -P)'" $$venv/bin/activate \
    || echo $$venv; done)
ifneq ($(MOVED),)
$(info this folder was moved; making again: $(MOVED))
$(shell rm -f $(MOVED:=/*.installed))
endif

.PHONY: help setup data run serve test test-all check format lock docs ui bench truth demo load soak spark \
  orchestration clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(PIPELINE) $(CHECKS)  ## Make both locked environments

# Keep the development tools if they are installed.
$(PIPELINE): requirements/pipeline.txt pyproject.toml scripts/install scripts/uv
	@scripts/install --with-churn .venv $(patsubst $(DEV),requirements/dev.txt,$(wildcard $(DEV))) \
	  requirements/pipeline.txt
	@touch $@

$(DEV): requirements/dev.txt $(PIPELINE)
	@scripts/install --with-churn .venv requirements/pipeline.txt requirements/dev.txt
	@touch $@

$(CHECKS): requirements/checks.txt scripts/install scripts/uv
	@scripts/install .venv-checks requirements/checks.txt
	@touch $@

$(LOAD): requirements/load.txt scripts/install scripts/uv
	@scripts/install .venv-load requirements/load.txt
	@touch $@

$(SPARK): requirements/spark.txt $(PIPELINE)
	@scripts/install --with-churn .venv-spark requirements/pipeline.txt requirements/spark.txt
	@touch $@
# One of them: make orchestration ORCHESTRATORS=airflow
orchestration: $(foreach name,$(ORCHESTRATORS),.venv-$(name)/$(name).installed)  ## Make the environments of Prefect, Dagster and Airflow

define orchestrator
.venv-$(1)/$(1).installed: requirements/$(1).txt scripts/install scripts/uv
	@scripts/install .venv-$(1) requirements/$(1).txt
	@touch $$@
endef
$(foreach name,$(ORCHESTRATORS),$(eval $(call orchestrator,$(name))))

data: $(PIPELINE)  ## Get the data that data.dvc names; your changes in data/ are kept
	@churn data

run: setup data  ## Run the stages that have changed, track, release, and print a summary
	@dvc repro
	@churn track
	@churn summary
	@churn release --embedded
	@echo
	@echo "Serve it with \`make serve\`, and ask about a customer:"
	@churn serve --example

serve: $(PIPELINE)  ## Serve the model in Production on http://127.0.0.1:8000 until Ctrl-C
	@churn serve

test: $(DEV) $(CHECKS) data  ## Run the tests of what a change can break
	@$(PYTEST) -m "not long" $(TESTS)

test-all: $(DEV) $(CHECKS) data  ## Run those of workflows and of a registry server as well
	@$(PYTEST) $(TESTS)

check: $(DEV)  ## Check formatting, lint, types, words, workflows and containers
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports
	@scripts/docs --check
	@scripts/words
	@scripts/lint-workflows
	@scripts/lint-containers

format: $(DEV)  ## Format, and fix what the linter can fix
	@ruff format .
	@ruff check --fix .

lock: $(DEV)  ## Update the locks in requirements/ (make lock UPGRADE=--upgrade for newer versions)
	@scripts/lock $(UPGRADE)

docs: $(DEV)  ## Write docs/parameters.md and docs/packages.md from the code
	@scripts/docs

ui: $(PIPELINE)  ## Open MLflow's pages with the runs
	@case "$${MLFLOW_TRACKING_URI:=sqlite:///mlflow.db}" in \
	  http*) echo "the runs are on your server: open MLFLOW_TRACKING_URI in a browser" ;; \
	  *) mlflow ui --backend-store-uri "$$MLFLOW_TRACKING_URI" ;; \
	esac

bench: setup  ## Measure speed and memory, and compare them with a baseline in the same run
	@python benchmarks/bench.py

truth: setup  ## Simulate how often the verdict and the checks are wrong; takes more than an hour
	@python benchmarks/truth.py

demo: setup data  ## Go once around the loop: release, serve, drift, alarm, retrain, release
	@python -m demo.loop

load: $(PIPELINE) $(LOAD)  ## Send requests to a server that runs (URL, SECONDS, USERS); reports/load.html
	@python benchmarks/load_report.py --url $(URL) --seconds $(SECONDS) --users $(USERS)

spark: $(SPARK)  ## Make the environment of `churn predict --engine spark`, .venv-spark; Spark needs Java 17

soak: $(DEV)  ## Serve for 10 minutes (MINUTES) while versions change and the registry dies
	@python -m benchmarks.soak --minutes $(MINUTES)

clean:  ## Remove the environments and the pipeline's outputs; data and MLflow store stay
	rm -rf .venv .venv-checks .venv-load .venv-spark $(ORCHESTRATORS:%=.venv-%) .venv-uv build/* .pytest_cache .mypy_cache \
	  .ruff_cache
