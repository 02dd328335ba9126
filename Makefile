# Every target sets up what it needs: a virtual environment in .venv, and Debian test servers when root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint unit venv servers bench bench-peers generated docs screenshots clean

demo: venv
	$(BIN)/switchover demo

test: venv servers lint unit

venv: $(VENV)/.ready

$(VENV)/.ready: setup.cfg pyproject.toml .ci/check-python
	@./.ci/check-python $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' --config-settings editable_mode=compat
	@touch $@

servers:
	@./.ci/servers

lint: venv
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# -rs: a test that was skipped says why.
unit: venv
	$(BIN)/python -m pytest -n 2 --dist loadgroup -rs

# What is made from the code: schemas of actions, and the reference pages in docs/. House tests fail when they are stale.
generated: venv
	$(BIN)/switchover schema --write
	$(BIN)/python -m tests.house.reference

# The documentation as a site, in build/site. The variable stills a notice about the theme's end of life, which setup.cfg tells.
docs: venv
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

# The pictures in docs/images, from the tutorial's own commands; that of the report needs a Chromium.
screenshots: venv
	$(BIN)/python -m tests.house.screenshots

# What things cost, beside a floor and beside the peers. Informs, never fails; GROUPS="plan ssh" measures a part of it.
bench: venv servers
	$(BIN)/python -m tests.benchmarks.run $(GROUPS)

bench-peers: .bench-venv/.ready

.bench-venv/.ready: tests/benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .bench-venv
	.bench-venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

clean:
	rm -rf $(VENV) .bench-venv build dist *.egg-info
