# HEDX: everything a newcomer needs is `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.installed
KAFKA := deploy/kafka/libs/.copied
MAVEN_DEPENDENCY := org.apache.maven.plugins:maven-dependency-plugin:3.8.1
PYTEST := $(BIN)/python -m pytest -q -m "not chaos and not cluster and not package"
SHARED := tests/unit tests/contract tests/procedure tests/fuzz tests/attacks tests/deploy tests/test_architecture.py
MEASURING := $(addprefix tests/kafka/test_,access.py lag_size.py transactions.py)
PAIRED := $(addprefix tests/e2e/test_,kafka_faults.py console.py kafka_restore.py demo_interrupt.py) $(filter-out $(MEASURING),$(wildcard tests/kafka/test_*.py))
# One more than cores: there is always a test that waits for a broker.
WORKERS := $(shell echo $$(($$(nproc) + 1)))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help setup packages .venv kafka demo test test-docker lint chaos cluster compose-config package fuzz courses bench lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv kafka  ## Python packages and Kafka, nothing more

packages:  ## Debian packages that tests need: installs the missing ones as root, names them otherwise
	@deploy/packages.sh debian-packages.txt

.venv: $(VENV)

kafka: $(KAFKA)

demo: setup  ## Kafka, the center and three provinces; the sample application; its dossiers
	@exec $(BIN)/hedx demo

# The first run shares its tests out to all cores; the second goes by whole files, whose tests share a broker or an exchange of
# their own. The third, one by one, has what measures time (alerts among it) and what is asked of one exchange under way.
test: packages setup lint  ## Lint, types and all tests, on a real broker
	$(PYTEST) -n $(WORKERS) $(SHARED)
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PAIRED)
	$(PYTEST) $(addprefix --ignore=,$(SHARED) $(PAIRED))

test-docker: .venv lint  ## The same tests on apache/kafka in a container (needs a Docker engine)
	HEDX_BROKER=docker $(PYTEST)

chaos: setup  ## Kill every stage three times mid-run
	$(BIN)/python -m pytest -q -m chaos

cluster: setup  ## Three brokers: one lost, a rolling restart, a back-up restored; a few minutes
	$(BIN)/python -m pytest -q --timeout 600 tests/kafka/test_cluster.py

compose-config:  ## What deploy/compose.yaml comes to, by docker-compose, without an engine
	@docker-compose --env-file deploy/compose.env.example --file deploy/compose.yaml config

package: .venv  ## The wheel, installed as the image does: from requirements-prod.lock into an environment of its own
	$(BIN)/python -m pytest -q --timeout 600 -m package tests/deploy/test_package.py

fuzz: .venv  ## Every decoder under atheris, ten minutes in all (FUZZ_SECONDS changes that)
	$(BIN)/python -m tests.fuzz.run --seconds $${FUZZ_SECONDS:-600}

courses: .venv  ## Random courses of the whole procedure, 2000 of them (COURSES changes that)
	COURSES=$${COURSES:-2000} $(BIN)/python -m pytest -q tests/contract/test_procedure_courses.py -k never_seen

bench: setup  ## Throughput and latency on this machine
	$(BIN)/hedx bench e2e
	$(BIN)/hedx bench latency

lint: .venv  ## Style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Stamped by the locks: later runs start at once, a changed lock installs again.
$(VENV): requirements.lock requirements-java.lock pyproject.toml Makefile
	@deploy/python.sh "$(PYTHON)" .venv
	@touch $@

$(KAFKA): deploy/kafka/pom.xml Makefile
	@deploy/packages.sh debian-packages.txt maven
	@echo "Kafka: copying its jars" >&2
	@rm -rf $(@D)
	@said=$$(mvn --quiet --batch-mode --file deploy/kafka/pom.xml $(MAVEN_DEPENDENCY):copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$(CURDIR)/$(@D)" 2>&1) || { echo "$$said" >&2; exit 1; }
	@touch $@

lock: .venv  ## Resolve the newest versions that pyproject.toml allows and pin them
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --upgrade --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade requirements-java.in -o requirements-java.lock
	$(COMPILE) --no-annotate --constraints requirements.lock --extra tracing pyproject.toml -o requirements-prod.lock
	$(COMPILE) --no-annotate --constraints requirements.lock requirements-build.in -o requirements-build.lock

clean:  ## Stop the broker; remove what make and hedx made here
	@if [ -x $(BIN)/hedx ]; then $(BIN)/hedx broker stop >/dev/null; fi
	rm -rf .venv .hedx deploy/kafka/libs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/fuzz/findings
