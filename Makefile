# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip compiles what it installs on one core; compileall takes all of them, and fails where a package holds a template.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --no-compile
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

.PHONY: demo test install up soak bench bench-compare constraints clean
.DEFAULT_GOAL := demo

demo: install
	$(BIN)/recsys compare conf/demo.yaml

test: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov=recsys --cov-report=term:skip-covered --cov-fail-under=90

install: $(VENV)/.installed

up: install
	$(BIN)/recsys up

soak: $(VENV)/.test-installed
	$(BIN)/pytest -m soak --override-ini timeout=3600

bench: $(VENV)/.test-installed
	PYTHONPATH=tests $(BIN)/python -m tests.benchmarks

bench-compare: $(VENV)/.test-installed
	PYTHONPATH=tests $(BIN)/python -m tests.benchmarks --compare

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --quiet --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.test-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --quiet --editable '.[test]'
	@$(COMPILE)
	@touch $@ $(VENV)/.installed

# After a change of dependencies: resolve them anew in an empty environment and write down what came.
constraints:
	rm -rf $(VENV)-fresh && $(PYTHON) -m venv $(VENV)-fresh
	grep '^torch==' constraints.txt > $(VENV)-fresh/torch.txt
	$(VENV)-fresh/bin/pip install --quiet --constraint $(VENV)-fresh/torch.txt --editable '.[test]'
	$(VENV)-fresh/bin/pip freeze --exclude-editable | sed "s/+cpu$$//" > constraints.txt
	rm -rf $(VENV)-fresh

clean:
	rm -rf .recsys runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
