# `make` lists what there is. Everything runs in the two locked environments, .venv and
# .venv-checks; after `source .venv/bin/activate` the same commands work without make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON
# Tests and benchmarks fit models in processes of their own; see churn.cli.main.main.
export OMP_WAIT_POLICY := passive

PIPELINE := .venv/pipeline.installed
DEV := .venv/dev.installed
CHECKS := .venv-checks/checks.installed

# In a folder that was moved, the environments are made again: their programs point to the old one.
MOVED := $(shell for venv in .venv .venv-checks; do \
  [ ! -e $$venv/bin/activate ] || grep -qsF "'$$(cd $$venv && pwd -P)'" $$venv/bin/activate \
    || echo $$venv; done)
ifneq ($(MOVED),)
$(info this folder was moved; made again: $(MOVED))
$(shell rm -f $(MOVED:=/*.installed))
endif

.PHONY: help setup data run test check format lock docs ui bench truth clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(PIPELINE) $(CHECKS)  ## Make both locked environments

# Who has the development tools keeps them.
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

data: $(PIPELINE)  ## Get the data that data.dvc names; changes of yours in data/ are kept
	@churn data

run: setup data  ## Run the pipeline as far as something changed, track, release, and sum it up
	@dvc repro
	@churn track
	@churn summary
	@churn release --embedded

test: $(DEV) $(CHECKS) data  ## Run every test
	@pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: $(DEV)  ## Check formatting, lint, types and workflows
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports
	@scripts/docs --check
	@scripts/lint-workflows

format: $(DEV)  ## Format, and mend what the linter can
	@ruff format .
	@ruff check --fix .

lock: $(DEV)  ## Renew the locks in requirements/ (make lock UPGRADE=--upgrade for newer versions)
	@scripts/lock $(UPGRADE)

docs: $(DEV)  ## Write docs/parameters.md and docs/packages.md, which the code knows best
	@scripts/docs

ui: $(PIPELINE)  ## Look at the runs in MLflow's own pages
	@case "$${MLFLOW_TRACKING_URI:=sqlite:///mlflow.db}" in \
	  http*) echo "the runs are at your server: open MLFLOW_TRACKING_URI in a browser" ;; \
	  *) mlflow ui --backend-store-uri "$$MLFLOW_TRACKING_URI" ;; \
	esac

bench: setup  ## Measure speed and memory against a floor in the same run
	@python benchmarks/bench.py

truth: setup  ## Simulate how often the verdict and the checks are wrong, in an hour and more
	@python benchmarks/truth.py

clean:  ## Remove the environments and what the pipeline has built; data and MLflow store stay
	rm -rf .venv .venv-checks .venv-uv build/* .pytest_cache .mypy_cache .ruff_cache
