# Every target gets what it needs by itself; see the README.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(MONGOFERRY_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mongoferry)
TOOLS := $(CACHE)/tools-$(shell cksum < tools/lint/go.sum | cut -d' ' -f1)

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## fetches mongod and builds Temporal, into the cache folder
	@go run ./internal/devstack/setup

build: ## builds bin/worker and bin/starter
	@mkdir -p bin
	@go build -o bin/ ./worker ./starter

demo: setup build ## migrates a live replica set on this machine; DEMO_FLAGS are handed on
	@bin/starter demo $(DEMO_FLAGS)

test: setup $(TOOLS)/gotestsum ## runs every test, with the race detector
	@$(TOOLS)/gotestsum --format pkgname-and-test-fails -- -race -p 2 -timeout 40m ./...

DURATION ?= 30m
SOAK := MONGOFERRY_SOAK=1 MONGOFERRY_DURATION=$(DURATION) go test -count=1 -v -timeout 24h
soak: setup ## random histories for DURATION, random migrations for as long, and every scenario killed between any two commands
	@failed=0; \
	$(SOAK) ./internal/replication -run 'TestRandomHistories|TestScenario|TestKilled' || failed=1; \
	$(SOAK) ./internal/e2e -run 'TestScenarios|TestManyCollections' || failed=1; \
	$(SOAK) ./internal/e2e -run 'TestRandom$$' || failed=1; \
	exit $$failed

FUZZTIME ?= 1m
fuzz: ## fuzzes what reads the source's bytes, FUZZTIME for each
	@for p in mongodb initialsync replication; do for f in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\).*/\1/p' internal/$$p/fuzz_test.go); do \
		go test ./internal/$$p -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME); done; done

bench: setup ## measures everything, in under 45 minutes; BENCH=copy, replay, workers or quick a part; BENCH_FLAGS are handed on
	@go build -o bin/bench ./bench && bin/bench -part "$(BENCH)" $(BENCH_FLAGS)

growth: setup ## plays migrations of up to 1 TB and 100,000 collections without data, into bench/results; takes half an hour
	@mkdir -p bench/results
	@MONGOFERRY_GROWTH=$(CURDIR)/bench/results go test -count=1 -v -timeout 3h ./internal/growth

charts: ## draws the pictures of docs/performance.md from bench/results
	@go run ./internal/chart/draw

lint: $(TOOLS)/golangci-lint $(TOOLS)/workflowcheck ## checks format, habits, determinism and modules
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	@go vet ./...
	@$(TOOLS)/golangci-lint run ./...
	@$(TOOLS)/workflowcheck ./workflows/...
	@go mod tidy -diff
	@cd tools && go mod tidy -diff
	@cd tools/lint && go mod tidy -diff

fmt: ## formats the code
	@gofmt -w .

$(TOOLS)/gotestsum:
	@mkdir -p $(TOOLS)
	@cd tools/lint && go build -o $@ gotest.tools/gotestsum

$(TOOLS)/golangci-lint:
	@mkdir -p $(TOOLS)
	@cd tools/lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(TOOLS)/workflowcheck:
	@mkdir -p $(TOOLS)
	@cd tools/lint && go build -o $@ go.temporal.io/sdk/contrib/tools/workflowcheck

.PHONY: help setup build demo test soak fuzz bench growth charts lint fmt
