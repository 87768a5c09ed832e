# On a fresh Debian or Ubuntu with python3, make and apt: `make lab` runs the main job, `make test` passes the tests.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup lab test check coverage fuzz attacks lock clean e2e e2e-root e2e-build e2e-up e2e-down bench

# An ordinary user's PATH lacks the sbin folders where ip and chronyd live; the cache holds what setup unpacked.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/carp-sidecar
export PATH := $(CURDIR)/.venv/bin:$(CACHE)/bin:$(PATH):/usr/sbin:/sbin
export PYTHON

BIN := .venv/bin
SANDBOX := $(BIN)/python -m sidecar.lab.sandbox --
# Most tests wait for real timers, so six at a time leave two cores half idle; handed out one by one, in order, so that those
# that compute come last and disturb nobody's clock. JOBS=0: one at a time, in one process (for a debugger).
JOBS ?= 6
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist load --maxschedchunk 1
PURE := tests/unit tests/golden tests/property tests/sim

help: ## what can be made
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 20

setup: ## .venv with carp-sidecar in it, and what it needs from this machine (PYTHON=... to choose)
	@tools/setup

lab: setup ## three nodes, one address, the master loses its power: what a client saw
	@$(BIN)/carp-sidecar lab demo

test: setup ## every test, in private namespaces (ARGS=... for pytest, JOBS=0 for one at a time)
	@$(SANDBOX) $(PYTEST) $(ARGS)

check: setup ## format, lint, types, import floors, sizes, and what must not stand in a file
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/yamllint --strict .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/codecheck

bench: setup ## ours beside ucarp and keepalived in one run (QUICK=1: five minutes; ARGS="--write" renews docs/benchmarks.md)
	@$(SANDBOX) $(BIN)/python -m tests.bench $(if $(QUICK),--quick) $(ARGS)

fuzz: setup ## inputs that break a promise, by libFuzzer (TARGET=receive SECONDS=600; ARGS=--keep for the corpus)
	@$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60) $(ARGS)

coverage: setup ## the core must be covered to its last branch
	@$(BIN)/python -m pytest -q --cov=sidecar.carp --cov-branch --cov-report=term --cov-fail-under=100 $(wildcard $(PURE))

# A cluster for each of two processes, which mostly wait; a file's tests stay together, in order. E2E_JOBS=0
# is one process, one cluster. What a failed test saw, the figures and the report stay in build/e2e.
E2E_JOBS ?= 2
e2e: e2e-root setup e2e-build ## the images, the chart and a real Kubernetes of three nodes, as root (ARGS=... for pytest)
	@rm -rf build/e2e && mkdir -p build/e2e
	@$(BIN)/python -m pytest -n $(E2E_JOBS) --dist loadfile --junit-xml=build/e2e/junit.xml -o junit_family=xunit1 $(if $(filter tests/%,$(ARGS)),,tests/chart tests/e2e) $(ARGS)

e2e-root:
	@[ "$$(id -u)" = 0 ] || { echo "make e2e: makes namespaces, mounts and control groups, so it needs root: sudo make e2e" >&2; exit 1; }

attacks: setup ## every attack and flood, on ours, ucarp and keepalived, into docs/security.md (ten minutes)
	@$(SANDBOX) $(BIN)/python -m tests.attacks --write $(ARGS)
	@$(SANDBOX) $(BIN)/python -m tests.attacks.measure --write

e2e-build: ## Kubernetes, etcd and Helm from source, once (ten minutes, later nothing)
	@tools/kubernetes/packages
	@tools/kubernetes/build

e2e-up: setup e2e-build ## a Kubernetes of three nodes on this machine to play with, as root (ARGS=... for it)
	@$(BIN)/python -m tests.e2e.cluster up $(ARGS)

e2e-down: setup ## remove it
	@$(BIN)/python -m tests.e2e.cluster down $(ARGS)

lock: setup ## renew requirements*.txt from pyproject.toml (ARGS=--upgrade)
	@tools/lock $(ARGS)

clean: ## forget .venv and what tools left behind
	rm -rf .venv .coverage* .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
	find sidecar tests -name __pycache__ -type d -prune -exec rm -rf {} +
