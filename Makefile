# Every target sets up what it needs: a virtual environment in .venv, and Debian test servers when root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint unit venv servers bench bench-peers schemas clean

demo: venv
	$(BIN)/switchover demo

test: venv servers lint unit

venv: $(VENV)/.ready

$(VENV)/.ready: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "switchover needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' --config-settings editable_mode=compat
	touch $@

servers:
	@./.ci/servers

lint: venv
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: venv
	$(BIN)/python -m pytest -n 2 --dist loadgroup

schemas: venv
	$(BIN)/switchover schema --write

clean:
	rm -rf $(VENV) .bench-venv build dist *.egg-info
