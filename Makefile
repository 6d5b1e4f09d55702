# Every command of the project. `make help` lists them; each one builds the environment first if it has to.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq

# PYTHON       the interpreter to build .venv with; empty: the newest of python3.13 .. python3.11, python3
# TORCH_INDEX  a package index to take torch from, such as PyTorch's CPU index; empty: pip's own
PYTHON ?=
TORCH_INDEX ?=
export PYTHON

PROTOS := $(wildcard proto/paperfeed/v1/*.proto)
# The package googleapis-common-protos has the .proto files that ours import.
GOOGLEAPIS = $$($(BIN)/python -c 'import google.type; print(next(iter(google.type.__path__)).removesuffix("/google/type"))')
PROTOC = $(BIN)/python -m grpc_tools.protoc -I $(1) -I "$(GOOGLEAPIS)"
# protoc finds mypy-protobuf on PATH
PROTOC_OUT = --python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1)
# buf would fetch imports from its registry. An image has them, needs no network, and keeps comments and lines.
PROTOC_IMAGE = --include_imports --include_source_info --descriptor_set_out
BUF_OPTIONS = --config proto/buf.yaml --path paperfeed

.PHONY: help setup demo screenshots walk test test-all coverage check stubs stubs-check format lint types imports proto-lint docker-lint deploy-lint bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## build .venv with everything (once; again when the dependencies change)

$(STAMP): pyproject.toml proto/pyproject.toml constraints.txt
	@python=$$(.ci/preflight.sh); \
	test -x $(BIN)/python || "$$python" -m venv $(VENV)
	@echo "setup: installing PyTorch into $(VENV)"
	@$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	@echo "setup: installing paperfeed and its tools into $(VENV)"
	@$(PIP) install -c constraints.txt -e ./proto -e ".[all,dev]"
	@touch $@
	@echo "setup: done; $(BIN)/paperfeed --help shows the commands"

demo: $(STAMP) ## the whole way on sample papers; DIGEST=file and DATE=YYYY-MM-DD take your own digest
	@$(BIN)/paperfeed demo $(if $(DIGEST),--digest "$(DIGEST)") $(if $(DATE),--date "$(DATE)")

screenshots: $(STAMP) ## renew docs/feed.png and docs/page.png (needs Chromium; run `make demo` first)
	@$(BIN)/python docs/screenshots.py

walk: $(STAMP) ## a person's walk through all pages, with pictures of each in out/walk (needs Chromium)
	@$(BIN)/python -m tests.browser.walk out/walk

test: $(STAMP) ## run the fast tests, some minutes; ARGS="-k words" for some of them
	@.ci/tests.sh $(BIN)/python fast $(ARGS)

test-all: $(STAMP) ## run all tests: also those that need a cluster, a browser, a kill loop or a training run
	@.ci/tests.sh $(BIN)/python all $(ARGS)

coverage: $(STAMP) ## run all tests and list the lines that none of them reaches
	@rm -f .coverage; .ci/tests.sh $(BIN)/python all --cov --cov-append --cov-report=term $(ARGS)

check: lint types imports proto-lint stubs-check docker-lint deploy-lint ## format, lint, types, imports, proto, stubs, Dockerfile, scripts

stubs: $(STAMP) ## write the Python stubs of proto/paperfeed/v1/*.proto again
	@PATH="$(abspath $(BIN)):$$PATH" $(call PROTOC,proto) $(call PROTOC_OUT,proto) $(PROTOS)

stubs-check: $(STAMP)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	PATH="$(abspath $(BIN)):$$PATH" $(call PROTOC,proto) $(call PROTOC_OUT,"$$fresh") $(PROTOS); \
	diff -rq -x '*.proto' -x __init__.py -x __pycache__ "$$fresh/paperfeed/v1" proto/paperfeed/v1 \
	    || { echo "the committed stubs differ from the .proto files: run 'make stubs'" >&2; exit 1; }

format: $(STAMP) ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

lint: $(STAMP) ## ruff: format and rules
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

imports: $(STAMP) ## who may import whom
	@$(BIN)/lint-imports

# Before the first release nothing is promised, so there is nothing to compare with.
proto-lint: $(STAMP) ## buf: lint, and no breaking change since the last release
	@images=$$(mktemp -d); trap 'rm -rf "$$images"' EXIT; \
	$(call PROTOC,proto) $(PROTOC_IMAGE)="$$images/new.binpb" $(PROTOS); \
	$(BIN)/buf lint "$$images/new.binpb" $(BUF_OPTIONS); \
	release=$$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true); \
	if [ -n "$$release" ]; then \
	    git archive "$$release" proto | tar -x -C "$$images"; \
	    $(call PROTOC,"$$images/proto") $(PROTOC_IMAGE)="$$images/old.binpb" "$$images"/proto/paperfeed/v1/*.proto; \
	    $(BIN)/buf breaking "$$images/new.binpb" --against "$$images/old.binpb" $(BUF_OPTIONS); fi

docker-lint: $(STAMP)
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint Dockerfile; else echo "hadolint not checked: no build for this platform"; fi

deploy-lint: $(STAMP)
	@if [ -x $(BIN)/shellcheck ]; then $(BIN)/shellcheck .ci/run .ci/*.sh deploy/*.sh deploy/compose/*.sh; else echo "scripts not checked: no shellcheck for this platform"; fi
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml

bench: $(STAMP) ## speed, each against a floor measured in the same run; half an hour, on a quiet machine
	@for name in serving.serve serving.startup jobs.embed ranker serving.similar jobs.batch jobs.scaling serving.others; do $(BIN)/python -m benchmarks.$$name || failed=1; done; exit $${failed:-0}

clean: ## remove builds and caches; .venv and databases stay
	@rm -rf build dist out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov proto/build
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
