# Two commands for a newcomer: make demo, make test. Everything they set up is kept, so a second run starts at once.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Steps share one environment, one compiler and one lake.
.NOTPARALLEL:

VENV ?= .venv
CONF ?= conf/demo.yaml
RUN_ID ?= demo
USERS_SHOWN ?= 3
TEST_PROCESSES ?= 2

BIN := $(VENV)/bin
LOGS := $(VENV)/logs
STAMPS := $(VENV)/stamps
STEP := deploy/setup/step.sh
HOROVOD := deploy/horovod/build.sh deploy/horovod/patch_source.py deploy/horovod/requirements.txt

.PHONY: help demo test test-faults check bench clean setup prerequisites test-prerequisites

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 13

demo: setup ## set up, refresh and backtest on Complete Journey, and print a few users' lists
	@echo "[5/6] recsys refresh --conf $(CONF) --run-id $(RUN_ID): ingest to published lists, the longest step …"
	@$(BIN)/recsys refresh --conf $(CONF) --run-id $(RUN_ID)
	@echo "[6/6] recsys backtest --conf $(CONF) --run-id $(RUN_ID) …"
	@$(BIN)/recsys backtest --conf $(CONF) --run-id $(RUN_ID)
	@$(BIN)/recsys show sample --conf $(CONF) --count $(USERS_SHOWN)

test: test-prerequisites check $(STAMPS)/drivers ## set up, check, and run all tests
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder

test-faults: test-prerequisites setup $(STAMPS)/drivers ## kill, starve and mistreat real refreshes; takes hours
	@$(BIN)/python -m pytest tests/faults tests/e2e -m faults

check: setup ## set up, then ruff, mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup ## run all benchmarks; make bench-topn runs one, and so on
	@$(BIN)/python -m benchmarks

bench-%: setup
	@$(BIN)/python -m benchmarks $*

clean: ## remove what builds and tests left in the checkout; keeps the lake and the Horovod cache
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		spark-warehouse metastore_db derby.log

setup: $(STAMPS)/jars

prerequisites:
	@echo "[1/6] looking for Python 3.11, Java 17 to 21, a C++ compiler and make …"
	@deploy/setup/prerequisites.sh > /dev/null

test-prerequisites:
	@deploy/setup/prerequisites.sh tests > /dev/null

$(STAMPS)/venv: $(wildcard deploy/setup/*.lock) setup.py deploy/setup/make_venv.sh | prerequisites
	@$(STEP) "[2/6] installing the pinned packages into $(VENV), about 2 minutes" $(LOGS)/venv.log \
		deploy/setup/make_venv.sh "$$(deploy/setup/prerequisites.sh)" $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/horovod: $(STAMPS)/venv $(HOROVOD)
	@$(STEP) "[3/6] building Horovod, about 4 minutes the first time" $(LOGS)/horovod.log \
		deploy/horovod/build.sh $(BIN)/python
	@touch $@

$(STAMPS)/jars: $(STAMPS)/horovod recsys_spark/session.py deploy/spark/fetch_jars.py
	@$(STEP) "[4/6] fetching the Delta jars through Spark" $(LOGS)/jars.log $(BIN)/python deploy/spark/fetch_jars.py
	@touch $@

$(STAMPS)/drivers: $(STAMPS)/jars
	@$(STEP) "fetching the database drivers for the tests through Spark" $(LOGS)/drivers.log \
		$(BIN)/python deploy/spark/fetch_jars.py --drivers
	@touch $@
