# The verbs of this project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
CACHE ?= .cache/demo
RUN ?= .cache/demo/run

.PHONY: help setup audit test check api-test up demo-model demo-figures paper-table detection consensus regions planted constructed locality faults scaling load bench

help: ## List the verbs.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Make .venv and install everything at the pinned versions.

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli,service,worker,dev]'
	@touch $@

audit: setup ## Audit the bundled model over HTTP: starts the service, shows progress and verdicts, writes report.json.
	PALIMPSEST_HOME=$$(mktemp -d) PALIMPSEST_PORT=$${PALIMPSEST_PORT:-$$($(BIN)/python -m service.free_port)} \
	  $(BIN)/python -m service.up -- $(BIN)/palimpsest audit run docs/first-audit.json --output report.json

up: setup ## Serve on PALIMPSEST_PORT (8000) until interrupted.
	@$(BIN)/python -m service.up

test: setup ## Run every test: two files at a time, a core each, then the whole service alone on the machine.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations 10 palimpsest ledger service worker deploy
	$(BIN)/python -m pytest --durations 10 api_tests

api-test: setup ## Run the black-box tests against a stack they start themselves.
	$(BIN)/python -m pytest api_tests

check: setup ## Format, lint, types, import rules, and generated files that must not be stale.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict palimpsest ledger service worker deploy api_tests
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m palimpsest.contract.schema --check
	$(BIN)/python -m service.openapi --check
	$(BIN)/python -m service.compatibility
	$(BIN)/python -m worker.benchmarks.render --check
	$(BIN)/python -m api_tests.pages --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml deploy/compose.gpu.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions deploy/ci/action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci deploy/ci/gitlab.yml
	cd worker/demo && sha256sum --quiet -c SHA256SUMS

demo-model: setup ## Train the bundled model and its descriptor again (about four hours on two cores).
	$(BIN)/python -m worker.demo.recipe.codec --cache $(CACHE) --out $(RUN)/vae
	$(BIN)/python -m worker.demo.recipe.denoiser --cache $(CACHE) --vae $(RUN)/vae --cycle 1 --out $(RUN)/first
	$(BIN)/python -m worker.demo.recipe.denoiser --cache $(CACHE) --vae $(RUN)/vae --cycle 2 --begin $(RUN)/first --out $(RUN)/second
	$(BIN)/python -m worker.demo.recipe.denoiser --cache $(CACHE) --vae $(RUN)/vae --cycle 3 --begin $(RUN)/second --out $(RUN)/third
	$(BIN)/python -m worker.demo.recipe.denoiser --cache $(CACHE) --vae $(RUN)/vae --cycle 4 --begin $(RUN)/third --out $(RUN)/model
	$(BIN)/python -m worker.demo.recipe.decoder --cache $(CACHE) --begin $(RUN)/vae --out $(RUN)/sharper
	$(BIN)/python -m worker.demo.recipe.assemble --cache $(CACHE) --pipeline $(RUN)/model --vae $(RUN)/sharper
	$(BIN)/python -m worker.demo.recipe.descriptor --cache $(CACHE) --vae $(RUN)/vae --cycle 1 --out $(RUN)/first.pt
	$(BIN)/python -m worker.demo.recipe.descriptor --cache $(CACHE) --vae $(RUN)/vae --cycle 2 --begin $(RUN)/first.pt
	$(BIN)/python -m worker.demo.recipe.calibrate --cache $(CACHE)

demo-figures: setup ## Measure every claim about the bundled model and render docs/results/ (about half an hour).
	$(BIN)/python -m worker.benchmarks.demo_figures
	$(BIN)/python -m worker.benchmarks.render

paper-table: setup ## Every mitigation on the bundled model, hidden or removed (two hours and more; goes on where it was cut).
	$(BIN)/python -m worker.benchmarks.paper_table
	$(BIN)/python -m worker.benchmarks.render

detection: setup ## Score every caption there is by every detector and render docs/results/detection.md.
	$(BIN)/python -m worker.benchmarks.detection
	$(BIN)/python -m worker.benchmarks.render

consensus: setup ## Whether what the bundled model draws of a caption is the training image (about twenty minutes).
	$(BIN)/python -m worker.benchmarks.consensus
	$(BIN)/python -m worker.benchmarks.render

regions: setup ## How targets are judged in a region on the bundled model, without a search (about five minutes).
	$(BIN)/python -m worker.benchmarks.regions
	$(BIN)/python -m worker.benchmarks.render

planted: setup ## Plant canaries in five models, audit them, compare with the truth (two hours; goes on where it was cut).
	$(BIN)/python -m worker.benchmarks.planted --cache $(CACHE)
	$(BIN)/python -m worker.benchmarks.render

constructed: setup ## Hidden and gone by construction (after make planted another hour and a half; goes on where it was cut).
	$(BIN)/python -m worker.benchmarks.constructed --cache $(CACHE)
	$(BIN)/python -m worker.benchmarks.render

locality: setup ## Where the bundled model keeps its memories: numbers and three figures (about half an hour).
	$(BIN)/python -m worker.benchmarks.locality
	$(BIN)/python -m worker.benchmarks.render

faults: setup ## Provoke every fault twenty times and render docs/results/faults.md (two hours; goes on where it was cut).
	$(BIN)/python -m api_tests.faults.run
	$(BIN)/python -m api_tests.pages --only faults

scaling: setup ## Measure one to sixteen workers and ten to ten thousand targets, render docs/results/scaling.md (an hour).
	$(BIN)/python -m api_tests.scaling.run
	$(BIN)/python -m api_tests.pages --only scaling

load: setup ## Poll, submit and follow against bare routes and render docs/results/load.md (needs wrk, which it installs).
	$(BIN)/python -m api_tests.load.run
	$(BIN)/python -m api_tests.pages --only load

bench: setup ## Measure sample-forwards per second against this machine's GEMM peak, by batch.
	$(BIN)/python -m worker.benchmarks.throughput
