# The same commands for people and for CI. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

install: .venv/installed ## make .venv with every extra

.venv/installed: pyproject.toml scripts/install
	PYTHON=$(PYTHON) scripts/install
	@touch $@

demo: install ## run examples/arithmetic on a real, small language model
	scripts/demo

test: install ## every test
	scripts/test

check: install ## formatting, lint, types, layers
	scripts/check

.PHONY: help install demo test check
