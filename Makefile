# Every target works as the first command typed on a fresh clone: each installs what it needs.
# CI calls the same targets as people do.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# Tools of this project come before whatever the machine has: its Node is often too old.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

SEEDS ?= 2000
CUTS ?= 100

# For images. Empty: what the Dockerfile and package.json say.
export IMAGE_REGISTRY IMAGE_TAG IMAGE_SOURCE BASE_IMAGE

.PHONY: help setup demo test test-cluster images agent-package bench lint format proto simulate torture clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install everything that is missing (quick and offline when nothing is)
	@scripts/setup

demo: setup ## a real disk under load, replicated and proven equal, in less than three minutes
	@node scripts/demo/main.ts

test: setup ## lint, unit, integration, simulation, faults, end to end; evidence of failures in .evidence/
	@node scripts/test/main.ts $(SUITE)

test-cluster: ## a machine moves into the cluster that KUBECONFIG names (docs/kubernetes-test.md)
	@scripts/setup cluster
	@node scripts/test/main.ts cluster

images: setup ## the image of every service, by Docker: make images IMAGE_REGISTRY=HOST IMAGE_TAG=0.1.0
	@node scripts/images/main.ts

agent-package: setup ## the agent as one file for machines: make agent-package AGENT_PLATFORM=linux-arm64
	@node scripts/agent-package/main.ts $(if $(AGENT_PLATFORM),--platform $(AGENT_PLATFORM))

bench: ## against tuned nbdcopy and qemu-img over TLS; writes bench/results.json
	@scripts/setup bench
	@node test/bench/main.ts

lint: setup ## types, floating promises, layers, cycles, formatting, generated code, tidiness
	@node scripts/lint/main.ts $(CHECK)

format: setup ## write files the way the lint wants them
	@prettier --write --log-level warn .

proto: setup ## generate the code of proto/ again
	@scripts/proto

simulate: setup ## any number of simulated histories: make simulate SEEDS=2000, or SEED=17 to replay one
	@SEEDS=$(SEEDS) $(if $(SEED),SEED=$(SEED)) node test/simulation/main.ts

torture: setup ## real power cuts on the staging file system: make torture CUTS=100
	@CUTS=$(CUTS) node test/torture/main.ts

clean: ## remove what setup and the tests made (the repository's own files stay)
	rm -rf node_modules .tools .evidence bench/results.json
