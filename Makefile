# Everything is built into the checkout: .venv (Python), .venvs (other Pythons, for the tests), target (Rust).
#
#   PYTHON=/path/to/python   the interpreter to build for (default: the newest of 3.13 to 3.10, else python3)
#   PROFILE=quick            the cargo profile of the wheel in .venv. Without it `build` and `run` want release, which is what users
#                            have; everything else takes the wheel that is there, if it is up to date, and otherwise builds quick
#   TESTS="-k quickstart"    further arguments of pytest
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

GROUPS := build test lint
BIN := .venv/bin
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
PYTEST := -m pytest -n 2 $(TESTS)

.PHONY: help need build wheel run test test-rust test-python endurance loom torture-state torture-reload test-stubs test-others lint format check-examples perf perf-list perf-render fuzz fuzz-all guard guard-renew need-valgrind clean

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

test: test-rust test-python test-stubs check-examples guard test-others ## build and run all tests, on every Python of this machine

test-rust: wheel ## the tests of the Rust core without Python, then with it
	cargo test --quiet --no-default-features
	cargo test --quiet --no-default-features --benches -- --test
	@if lib=$$(tools/libpython $(BIN)/python); then \
	  echo "cargo test --quiet"; \
	  LD_LIBRARY_PATH="$$lib$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" cargo test --quiet --lib --tests; \
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

.PHONY: torture asan tsan valgrind
torture: wheel ## attack the engine: ATTACK="destination threads" (all), TIME=60 or COUNT=100 (long), SEED=1 (chance)
	@PYTHONPATH=tests:tests/python $(BIN)/python -m torture $(ATTACK) $(if $(TIME),--time $(TIME)) $(if $(COUNT),--count $(COUNT)) \
	  $(if $(SEED),--seed $(SEED))

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

test-others: wheel ## the Python tests on every other CPython from 3.10 to 3.13 that this machine has
	@others=$$(tools/pythons others "$(PYTHON)"); \
	for python in $$others; do \
	  venv=.venvs/$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  tools/venv "$$venv" "$$python" any test; \
	  echo "== $$venv: the Python tests"; \
	  "$$venv/bin/python" $(PYTEST); \
	done

check-examples: wheel ## check every example's configuration
	@for conf in examples/*.conf; do $(BIN)/inrush check -f "$$conf"; done

lint: wheel ## formats, lints and types, Rust and Python
	cargo fmt --check
	cargo clippy --quiet --all-targets --no-default-features -- -D warnings
	cargo clippy --quiet --all-targets -- -D warnings
	cargo doc --quiet --no-deps --no-default-features
	cargo doc --quiet --no-deps
	$(BIN)/ruff check python tests/python tests/torture perf
	$(BIN)/ruff format --check python tests/python tests/torture perf
	$(BIN)/mypy

format: wheel ## format Rust and Python
	cargo fmt
	$(BIN)/ruff check --fix python tests/python tests/torture perf
	$(BIN)/ruff format python tests/python tests/torture perf

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
