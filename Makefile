# Two targets matter: `make demo` and `make test`. Both do all their own set-up.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench assure setup clean

help:
	@echo "make demo     read and check an emulated My Number card (no hardware needed)"
	@echo "make test     every test, with the real pcscd, OpenSC and OpenSSL"
	@echo "make lint     style, types, layers, message catalogues"
	@echo "make bench    every benchmark, beside its rival (BENCH_ARGS=--quick for a short run)"
	@echo "make assure   the long runs"
	@echo "make setup    everything 'make test' needs, without running it"
	@echo "make clean    remove what these targets made"

demo:
	@.ci/setup demo
	@.venv/bin/jpki demo

test:
	@.ci/setup all
	@.ci/check all

lint:
	@.ci/setup all
	@.ci/check lint

bench:
	@.ci/setup all
	@.ci/check bench $(BENCH_ARGS)

assure:
	@.ci/setup all
	@.ci/check assure

setup:
	@.ci/setup all

clean:
	rm -rf .venv .venv-wheel .venv-alone dist build htmlcov .coverage .coverage.*
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
