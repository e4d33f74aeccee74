# Everything is built into the checkout: .venv (Python), .venvs (other Pythons, for the tests), target (Rust).
#
#   PYTHON=/path/to/python   the interpreter to build for (default: the newest of 3.15 to 3.10, else python3)
#   PROFILE=quick            the cargo profile of the wheel in .venv. Without it `build` and `run` want release, which is what users
#                            have; everything else takes the wheel that is there, if it is up to date, and otherwise builds quick
#   TESTS="-k quickstart"    further arguments of pytest
#   MINORS="11 13"           of `wheels`: for these versions of CPython 3 (default: 10 to 15)
#   CASE=loop_file_23        of `perf`: only these cases, with patterns and commas; RIVAL=… only one rival, stored nowhere;
#                            RESUME=1 goes on with an interrupted run; PERF_DIR (/dev/shm) is where the measured files go
#   TIME=600                 the seconds of a long check (`fuzz`, `torture`); COUNT=1000 its rounds, SEED=1 its chance (`torture`)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

PROFILE ?=
TESTS ?=
ifndef PYTHON
PYTHON := $(shell tools/pythons first)
endif
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python

# The OpenSSL of kafka(): the system's where its headers are. What needs no Kafka is built without.
OPENSSL := $(shell tools/openssl)

GROUPS := build test lint
BIN := .venv/bin
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
LINTED := python tests/python tests/torture tests/worst_day tests/compat tests/wheels tools/wheels perf
# Tests wait more than they work: two for each processor.
PYTEST := -m pytest -n $(shell echo $$((2 * $$(nproc)))) $(TESTS)

.PHONY: help need build wheel wheels run test test-rust test-python test-others test-everywhere test-newest test-wheel test-wheels
.PHONY: endurance loom torture-state torture-reload test-stubs lint format check-examples perf perf-list perf-render fuzz fuzz-all guard guard-renew need-valgrind clean

help: ## show this list
	@echo "make TARGET [PYTHON=/path/to/python] [PROFILE=release|quick] [TESTS='pytest arguments']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

need: ## name what is missing to build, with the package that has it
	@tools/need "$(PYTHON)" "$(RUST)"

build: need ## build the engine into .venv: afterwards there is .venv/bin/inrush
	@tools/venv .venv "$(PYTHON)" "$(or $(PROFILE),release)" $(GROUPS)

# What tests and lints need: the engine in .venv, of whatever profile it is.
wheel: need
	@tools/venv .venv "$(PYTHON)" "$(or $(PROFILE),any)" $(GROUPS)

run: build ## run the quickstart: a syslog listener on 127.0.0.1:5514 that writes quickstart.log
	@exec $(BIN)/inrush run -f examples/quickstart.conf

test: wheel ## build and run all tests; on the machine's other Pythons, those that depend on it
	@tools/beside '$(MAKE) --no-print-directory guard test-wheel' \
	  '$(MAKE) --no-print-directory test-rust test-python test-stubs check-examples test-others'

# What is neither Python's nor librdkafka's is the same without them: it is tested once.
test-rust: wheel ## the tests of the Rust core, then those of the rooms that embed Python or librdkafka
	cargo test --quiet --no-default-features
	cargo test --quiet --no-default-features --bench '*' -- --test
	@if lib=$$(tools/libpython $(BIN)/python); then \
	  echo "cargo test --quiet --lib -- python kafka"; \
	  LD_LIBRARY_PATH="$$lib$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" cargo test --quiet --lib $(OPENSSL) -- python kafka; \
	fi

test-python: wheel ## the Python tests, on the wheel in .venv
	$(BIN)/python $(PYTEST)

endurance: wheel ## the long forms of the endurance tests: ten times the messages, with figures
	INRUSH_ENDURANCE=10 $(BIN)/python -m pytest -s --timeout=3000 tests/python/test_endurance.py $(TESTS)

torture-reload: wheel ## reload 1000 times and stop 500 times under full load [ROUNDS=1000]
	INRUSH_TORTURE=$(or $(ROUNDS),1000) $(BIN)/python -m pytest -s tests/python/test_torture_reload.py $(TESTS)

torture-state: need ## damage the state file at every byte, and kill 500 processes that write it [ROUNDS=500]
	cargo test --quiet --profile quick --no-default-features --lib state:: -- --ignored --nocapture
	ROUNDS=$(or $(ROUNDS),500) cargo test --quiet --profile quick --no-default-features --test state -- --ignored --nocapture

guard: need-valgrind wheel ## count the instructions of the hot paths, and compare them with benches/guard.txt
	@tools/guard --python $(BIN)/python

guard-renew: need-valgrind wheel ## accept what the hot paths cost now: writes benches/guard.txt
	@tools/guard --renew --python $(BIN)/python

need-valgrind: need
	@tools/need "$(PYTHON)" "$(RUST)" valgrind

fuzz: need ## search for inputs that break a promise: TARGET=config TIME=60 (fuzz/fuzz_targets has the targets)
	@tools/fuzz $(or $(TIME),60) $(or $(TARGET),$(error TARGET= one of $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs)))))

fuzz-all: need ## all fuzz targets, TIME=600 seconds each
	@tools/fuzz $(or $(TIME),600)

.PHONY: compat torture worst-day worst-day-render asan tsan valgrind
compat: wheel ## compare Inrush with syslog-ng: CASES="paths filters/pcre" (all), RANDOM=1000 random ones (200), SEED=1 (chance)
	@PYTHONPATH=tests $(BIN)/python -m compat $(CASES) --random $(or $(RANDOM),200) $(if $(SEED),--seed $(SEED))

torture: wheel ## attack the engine: ATTACK="destination threads" (all), TIME=60 or COUNT=100 (long), SEED=1 (chance)
	@PYTHONPATH=tests:tests/python $(BIN)/python -m torture $(ATTACK) $(if $(TIME),--time $(TIME)) $(if $(COUNT),--count $(COUNT)) \
	  $(if $(SEED),--seed $(SEED))

worst-day: wheel ## do the same faults to Inrush and its rivals, and write docs/worst-day.md: FAULT="kill stop" COLLECTOR=rsyslog COUNT=3000
	@PYTHONPATH=tests:tests/python $(BIN)/python -m worst_day --fault "$(FAULT)" --collector "$(COLLECTOR)" $(if $(COUNT),--count $(COUNT))

worst-day-render: wheel ## write docs/worst-day.md from perf/worst-day without measuring
	@PYTHONPATH=tests:tests/python $(BIN)/python -m worst_day --render

asan: need ## the Rust tests under AddressSanitizer (nightly compiler)
	tools/sanitize address

tsan: need ## the same under ThreadSanitizer
	tools/sanitize thread

valgrind: need ## the unit tests of the rooms with unsafe code under valgrind
	tools/sanitize valgrind

loom: need ## the protocols between threads, in every order that the memory model allows
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --profile quick --no-default-features --lib loom_models

test-stubs: wheel ## compare the type stubs with the built module
	MYPYPATH=python $(BIN)/python -m mypy.stubtest --concise --ignore-disjoint-bases \
	  --allowlist tests/python/stubtest.allow --ignore-unused-allowlist inrush syslogng _syslogng _syslogngdbg

# Not optimised: what is looked at is the interpreter, and most of the time is that of building for it.
test-others: wheel ## the tests that depend on the interpreter, on every other CPython from 3.10 to 3.15 that this machine has
	@$(call on-others,dev) -m interpreter; done

test-everywhere: test-python ## all Python tests on every CPython from 3.10 to 3.15 that this machine has
	@$(call on-others,any); done

# Makes an environment for each other interpreter, with a wheel of a profile, and begins a command of pytest in it.
on-others = for python in $$(tools/pythons others "$(PYTHON)"); do \
	  venv=.venvs/$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  tools/venv "$$venv" "$$python" $(1) test; \
	  echo "== $$venv: the Python tests"; \
	  "$$venv/bin/python" $(PYTEST)

test-newest: ## all Python tests on CPython 3.14 and 3.15 of Debian sid, in a root directory of their own (needs root and debootstrap)
	@tools/newest -n 2 $(TESTS)

# The environment that builds wheels for others.
WHEELS := .venvs/wheels
wheels-venv = tools/venv $(WHEELS) "$(PYTHON)" none build wheels

wheels: need ## wheels in dist for CPython 3.10 to 3.15, manylinux_2_28, stripped, their symbols in dist/symbols [MINORS="11 13"]
	@$(wheels-venv)
	@$(WHEELS)/bin/python tools/wheels --profile "$(or $(PROFILE),release)" --out dist $(or $(MINORS),10 11 12 13 14 15)

test-wheels: wheels wheel ## install each wheel of dist whose Python this machine has, without a compiler, and run README's lines with it
	INRUSH_WHEELS=dist $(BIN)/python -m pytest -s tests/wheels $(TESTS)

# The short form: one wheel, of the tests' Python and not optimised, without kafka(), whose libraries take longer than the rest. What is
# tested is what is in a wheel, and where it can be installed.
test-wheel: wheel
	@$(wheels-venv)
	@$(WHEELS)/bin/python tools/wheels --profile dev --without-kafka --out target/dist $$($(BIN)/python -c 'import sys; print(sys.version_info[1])')
	INRUSH_WHEELS=target/dist $(BIN)/python -m pytest -s tests/wheels $(TESTS)

check-examples: wheel ## check every example's configuration
	@for conf in examples/*.conf; do $(BIN)/inrush check -f "$$conf"; done

# Compiles for a CPython that need not be there, into a directory of their own: cargo would build pyo3 anew for the tests.
# Without kafka(), which no CPython changes: librdkafka would be built for it.
python-only = --no-default-features --features python
for-minor = PYO3_CONFIG_FILE=$$(tools/pyo3-config $(1)) CARGO_TARGET_DIR=target/lint

# Tests and benchmarks are the same with and without features: they are linted once.
lint: wheel ## formats, lints and types, Rust and Python
	cargo fmt --check
	cargo clippy --quiet --lib --bins --no-default-features -- -D warnings
	cargo clippy --quiet --all-targets $(OPENSSL) -- -D warnings
	for minor in 14 15; do $(call for-minor,$$minor) cargo clippy --quiet --lib $(python-only) -- -D warnings; done
	cargo doc --quiet --no-deps --document-private-items --no-default-features
	cargo doc --quiet --no-deps --document-private-items $(OPENSSL)
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy

format: wheel ## format Rust and Python
	cargo fmt
	$(BIN)/ruff check --fix $(LINTED)
	$(BIN)/ruff format $(LINTED)

# The rivals share one interpreter: Debian's, which its syslog-ng is linked with.
PERF_PYTHON ?= /usr/bin/python3
PERF := perf/.build/venv
perf-venv = tools/need "$(PERF_PYTHON)" "$(RUST)" && tools/venv $(PERF) "$(PERF_PYTHON)" release build perf

perf: ## measure Inrush beside its rivals and write perf/README.md [CASE=… RIVAL=… RESUME=1]
	@$(perf-venv)
	@exec $(PERF)/bin/python -m perf $(if $(RESUME),--resume)

perf-list: ## the cases and rivals of `make perf`
	@$(perf-venv)
	@$(PERF)/bin/python -m perf --list

perf-render: ## write perf/README.md from perf/results without measuring
	@$(perf-venv)
	@$(PERF)/bin/python -m perf --render

clean: ## remove everything that was built
	rm -rf .venv .venvs perf/.build target dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
