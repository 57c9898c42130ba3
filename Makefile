# The only door. Each target is one line; `ttg` and tools/setup.sh hold the logic.
.DEFAULT_GOAL := help
.PHONY: help setup check test test-fast test-faults chaos up down ps logs scale load trace headers dlq dlq-show dlq-replay bench tune clean
TTG := .venv/bin/ttg
# Settings given as `make load RATE=500` become options, those left out stay the command's own.
opt = $(if $($(1)),--$(2) '$($(1))')
arg = $(if $($(1)),'$($(1))')
export MODE TTG_STATE_DIR TTG_PORT_BASE TTG_CACHE_DIR

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

# What looks at a stack or ends it works offline, with the environment as it is.
$(TTG):
	@sh tools/setup.sh

setup: ## make the virtual environment (the other targets do it when they must)
	@sh tools/setup.sh

check: setup ## format, lint, types, and the style of the tree: what a change must pass
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/pyright && .venv/bin/pytest -q tests/tidy

test: setup ## every test, on a stack of its own (unit, tidy, contract, e2e)
	@.venv/bin/pytest

test-fast: setup ## the tests that need no stack, in seconds
	@.venv/bin/pytest -m 'not stack' tests/unit tests/tidy tests/contract

test-faults: setup ## every fault of the table that must pass (ONLY=F04 for some, WRITE=docs/guarantees.md)
	@.venv/bin/python -m tests.faults.run $(call opt,ONLY,only) $(call opt,WRITE,write)

chaos: setup ## all faults at random for ten minutes a seed (SEED=7,8 DURATION=600 WRITE=docs/guarantees.md)
	@.venv/bin/python -m tests.faults.chaos $(call opt,SEED,seed) $(call opt,DURATION,duration) $(call opt,WRITE,write)

up: setup ## start the whole pipeline and wait until it is ready (SETTINGS=tuned.env)
	@$(TTG) up $(call opt,SETTINGS,settings)

down: $(TTG) ## stop it; the data stays
	@$(TTG) down

ps: $(TTG) ## list processes, replicas and partitions (JSON=1 for a script)
	@$(TTG) ps $(if $(JSON),--json)

logs: $(TTG) ## print the logs (STAGE=normalize, FOLLOW=1, LINES=100)
	@$(TTG) logs $(call arg,STAGE) $(if $(FOLLOW),--follow) $(call opt,LINES,lines)

scale: setup ## run N replicas of a stage, live (STAGE=normalize N=3)
	@$(TTG) scale $(call arg,STAGE) $(call arg,N)

load: setup ## send events and account for each (RATE=2000 DURATION=30 BATCH=10)
	@$(TTG) load $(call opt,RATE,rate) $(call opt,DURATION,duration) $(call opt,BATCH,batch)

trace: setup ## draw the newest waterfall, or ID=<trace id>; rank SLOWEST=20; judge by BUDGET=file
	@$(TTG) trace $(call arg,ID) $(call opt,SVG,svg) $(call opt,SLOWEST,slowest) $(call opt,BUDGET,budget) $(call opt,AMONG,among) $(if $(JSON),--json)

headers: setup ## print records with their headers (TOPIC=events.normalized)
	@$(TTG) headers $(call arg,TOPIC)

dlq: setup ## count dead letters by stage and reason (STAGE=… REASON=… TRACE=… JSON=1)
	@$(TTG) dlq ls $(call opt,STAGE,stage) $(call opt,REASON,reason) $(call opt,TRACE,trace) $(if $(JSON),--json)

dlq-show: setup ## print dead letters in full (ID=<trace id>, or ID=events.raw-3-17)
	@$(TTG) dlq show $(call arg,ID)

dlq-replay: setup ## send them again, same ids, new trace (TRACE=… STAGE=… REASON=… LIMIT=1 DRY=1 AGAIN=1)
	@$(TTG) dlq replay $(call opt,TRACE,trace) $(call opt,STAGE,stage) $(call opt,REASON,reason) $(call opt,LIMIT,limit) $(if $(DRY),--dry-run) $(if $(AGAIN),--again)

bench: setup ## measure what tracing costs, or WHAT=peers, latency, scaling, soak, sizing, collector (ROUNDS=3 WRITE=docs/benchmarks.md)
	@.venv/bin/python -m bench $(or $(WHAT),tracing) $(call arg,MEASURED) $(call opt,ONLY,only) $(call opt,EVENTS,events) $(call opt,EVENTS_MAX,events-max) $(call opt,ROUNDS,rounds) $(call opt,BATCH,batch) $(call opt,SAMPLED,sampled) $(call opt,MINUTES,minutes) $(call opt,JSON,json) $(call opt,WRITE,write)

tune: setup ## try settings under a load of yours, recommend some (RATE=5000 BATCH=10 BUDGET=10m SAMPLED=0.02 OUT=tuning)
	@.venv/bin/python -m bench tune $(call opt,RATE,rate) $(call opt,BATCH,batch) $(call opt,BUDGET,budget) $(call opt,SAMPLED,sampled) $(call opt,OUT,out) $(call opt,WRITE,write) $(if $(FRESH),--fresh)

clean: $(TTG) ## stop it and remove its data
	@$(TTG) clean
