# `make` prints what there is to do. Every target sets up what it needs first.
BIN := .venv/bin
SERVICES_WITH_A_DATABASE := link_svc social_graph_svc user_svc
generate = $(BIN)/python -m grpc_tools.protoc -I. --python_out=$(1) --pyi_out=$(1) \
	--grpc_python_out=$(1) protos/news.proto

ROOMS := bench chassis contracts embedded gateway link_svc news_svc social_graph_svc user_svc
# Schemas, references, and what every container must have; the rest is for `make test`.
OF_MANIFESTS := valid or locked or bounded or watched or exist or find or known

.DEFAULT_GOAL := help
LOCKS := chassis database gateway link-svc news-svc
IMAGES := gateway link-svc social-graph-svc user-svc news-svc
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION = $(shell git rev-parse HEAD)
# Wheels for every Python and machine that we serve; the index is whatever uv is told to use.
lock = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --custom-compile-command "make lock" \
	--output-file requirements/$(1).lock pyproject.toml

.PHONY: lock images help run test check audit format shell token demo bench test-faults protos docs migrate \
	rebuild-feeds dead-letters clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/installed ## start the whole system on this machine; Ctrl-C stops it
	@exec $(BIN)/python -m embedded run --with-parent

test: .venv/installed ## run every test but the long ones
	@$(BIN)/pytest -m "not long" -n 3 --dist loadfile

test-faults: .venv/installed ## run the long fault tests
	@$(BIN)/pytest -m long

check: .venv/installed ## check format, lint, types, import rules, spelling, manifests, generated code
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(ROOMS)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .import_linter_cache
	@$(BIN)/codespell
	@! test -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile
	@found=$$($(BIN)/pytest --quiet --no-header tests/contract/test_manifests*.py \
	    -k "$(OF_MANIFESTS)") || { echo "$$found" >&2; exit 1; }
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call generate,"$$fresh") && \
	    for file in "$$fresh"/protos/*; do cmp "$$file" "protos/$${file##*/}" || \
	    { echo "protos/ is stale: run 'make protos'" >&2; exit 1; }; done

# What cannot be looked up counts as a failure, not as good.
audit: .venv/installed ## look for known weaknesses of the locked dependencies; needs the internet
	@$(BIN)/python -m pip install --quiet --target .audit pip-audit==2.10.1
	@PYTHONPATH=.audit $(BIN)/python -m pip_audit --strict --disable-pip --require-hashes \
	    -r requirements/all.lock

format: .venv/installed ## format the code, and mend what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

shell: .venv/installed ## open nameko's shell on the running system
	@exec $(BIN)/nameko shell --config config.yaml

# USER is in every environment: only the one given to make is meant.
token: .venv/installed ## print an access token for a name: make token USER=alice
	@exec $(BIN)/python -m embedded token "$(if $(filter command,$(origin USER)),$$USER)"

# An option whose variable was given to make; what else is in the environment is not meant.
option = $(if $(filter command,$(origin $1)),$2 "$$$1")

demo: .venv/installed ## load links as a few users, show their news: make demo [FILE=x.html LIMIT=n USERS=n]
	@exec $(BIN)/python -m bench.demo $(call option,LIMIT,--limit) $(call option,USERS,--users) \
	    $(call option,FILE,--)

bench: .venv/installed ## measure a system of its own, or a running one: make bench [URL=x LINKS=n,m QUICK=1 COMPARE=x.json]
	@exec $(BIN)/python -m bench $(call option,URL,--url) $(call option,LINKS,--links) \
	    $(call option,COMPARE,--compare) $(if $(QUICK),--quick)

# It must work where the lock has not yet what pyproject.toml asks for, and so needs no more than pip.
lock: ## write down anew the versions of all that we depend on: make lock [UPGRADE=1]
	@test -x $(BIN)/python || python3 -m venv .venv
	@$(BIN)/python -m pip install --quiet uv==0.13.9
	@$(call lock,all) --extra all $(if $(UPGRADE),--upgrade)
	@for lock in $(LOCKS); do $(call lock,$$lock) --constraints requirements/all.lock \
	    --extra $$([ $$lock = chassis ] && echo tracing || echo $$lock) || exit 1; done

images: ## build the five images with Docker: make images [VERSION=0.1.0]
	@command -v docker >/dev/null || { echo "docker is missing: it builds the images" >&2; exit 1; }
	@for image in $(IMAGES); do docker build --target $$image --tag delinkcious/$$image:$(VERSION) \
	    --label org.opencontainers.image.version=$(VERSION) \
	    --label org.opencontainers.image.revision=$(REVISION) . || exit 1; done

protos: .venv/installed ## generate the gRPC stubs
	@$(call generate,.)

docs: .venv/installed ## make docs/configuration.md from config.yaml
	@$(BIN)/python -m tests.contract.configuration

migrate: .venv/installed ## bring the databases that config.yaml names up to date
	@for service in $(SERVICES_WITH_A_DATABASE); do \
	    $(BIN)/alembic -c $$service/alembic.ini upgrade head || exit 1; done

rebuild-feeds: .venv/installed ## throw all news feeds away, and make them anew from the log of events
	@exec $(BIN)/python -m news_svc.rebuild

dead-letters: .venv/installed ## events that failed: list them, or make dead-letters SHOW=n, or REPLAY=n or all
	@exec $(BIN)/python -W ignore:::nameko.extensions -m chassis.dead_letters \
	    $(or $(call option,SHOW,show),$(call option,REPLAY,replay),list)

clean: ## remove .venv and caches; the data in var/ stay
	@rm -rf .venv .audit .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml requirements/all.lock embedded/bootstrap.sh
	@sh embedded/bootstrap.sh
