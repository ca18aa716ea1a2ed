# Every target sets up what it needs: `make pack` and `make test` work on a fresh clone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
ICB ?= QHL
# Rooms whose faces the API pages show, after the front door.
ROOMS := sources ledger pathways benchmark variation scenarios value present
# Their files, where the results' types are; sentences and figures have no page. Those named like a function of the
# face are there already, of which pdoc warns; the engine's types are at the face.
FILES = $(filter-out %.__init__ %.engine %.words %figures %_words,$(subst /,.,$(basename $(wildcard $(ROOMS:%=pathcost_lib/%/*.py) pathcost_lib/scenarios/*/*.py))))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup pack lab test test-slow test-all test-spark test-cluster lint types api notebooks sweep bench wheelhouse lock clean

help: ## Show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv from the lock file

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pathcost needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

pack: setup ## Build the board pack of one ICB on the sample (ICB=QHL)
	$(BIN)/pathcost pack $(ICB)

lab: setup ## Open JupyterLab at the start notebook
	$(BIN)/pathcost lab

test: setup ## Run the tests, but for the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: setup ## Run the slow tests: sweeps through many samples, packs and notebooks
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

test-all: setup test test-slow notebooks test-spark ## Run all tests, on Spark too, and every notebook

test-spark: setup ## Run the same ground floor on Spark (installs PySpark; needs Java 17)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-spark.lock
	$(BIN)/python -m pytest tests/spark

test-cluster: setup ## Run checks and packs on a small Spark cluster of this machine (half an hour; needs Java 17)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-spark.lock
	PATHCOST_CLUSTER=1 PATHCOST_MUST_WORK=spark $(BIN)/python -m pytest tests/spark/test_cluster.py

lint: setup ## Check style, types, floors and that notebooks are clean
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify --keep-id --extra-keys "metadata.papermill cell.metadata.papermill" notebooks/*.ipynb notebooks/teaching/*.ipynb notebooks/teaching/masters/*.ipynb

api: setup ## Make the pages of the library's names from their docstrings: docs/api/index.html
	$(BIN)/python -W error::UserWarning -W "ignore:The module specification" -m pdoc --docformat numpy -o docs/api pathcost_lib $(ROOMS:%=pathcost_lib.%) $(FILES)

notebooks: setup ## Run every notebook, its assertions included
	$(BIN)/pathcost sample
	$(BIN)/python -m pytest --nbval-lax notebooks -n 2 --dist loadfile

sweep: setup ## Run every notebook without each optional column and table (hours)
	PATHCOST_SWEEP=1 $(BIN)/python -m pytest tests/test_optional.py -n 2

bench: setup ## Measure: ratios against named baselines of the same run
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

wheelhouse: setup ## Make one zip that installs with the network off, and try it: dist/pathcost-wheelhouse.zip
	$(BIN)/python scripts/wheelhouse.py $(WHEELHOUSE)

lock: setup ## Renew requirements.lock and environment.yml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra spark --no-emit-index-url --no-header --constraint requirements.lock pyproject.toml -o requirements-spark.lock

clean: ## Remove the sample, the reports, the API pages and the environment
	rm -rf .venv data/sample reports/20* docs/api dist
