# kzram-ci: two commands do everything on a fresh Debian machine: `make run` and `make test`.
# Both install what is missing (apt and a virtual environment in .venv), both are idempotent.

PLAN ?= testplans/overrun.yaml
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: help run test check setup tools format docs reference install dist clean
.DEFAULT_GOAL := help

help:
	@echo "make run     install what is missing, then kzram-ci run $(PLAN)"
	@echo "make test    install what is missing, then every check and every test (real kernels too)"
	@echo "make check   ruff, mypy, shellcheck, layers: no kernel, a minute at most (scripts/check says which failed)"
	@echo "make docs    the site, in dist/site; a warning is an error"
	@echo "make reference   docs/cli.md, man pages and completions anew from the parser of the command line"
	@echo "make install     kzram-ci with its man pages and completions below PREFIX ($(PREFIX))"
	@echo "make dist    wheel (the same bytes each time), sdist, and what it stands on (CycloneDX) in dist/"
	@echo "make format  let ruff format the Python code"
	@echo "make clean   remove .venv and caches of tools; builds stay (kzram-ci cache gc)"

run: setup
	$(BIN)/kzram-ci run $(PLAN)

test: setup check
	$(BIN)/pytest

check: setup
	scripts/check

setup: tools $(STAMP)

tools:
	@scripts/setup

$(STAMP): pyproject.toml requirements.lock
	@echo "== python environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

format: setup
	$(BIN)/ruff format kzram_ci tests bench
	$(BIN)/ruff check --fix kzram_ci tests bench

docs: setup
	$(BIN)/sphinx-build -q -W --keep-going -n -d dist/doctrees -c docs . dist/site
	@echo "dist/site/README.html"

reference: setup
	$(BIN)/python docs/reference.py

# An environment of its own below PREFIX, as pipx makes one: the system's Python stays as it is. With DESTDIR its
# programs name the place where they will be, not where they are.
STAGE := $(if $(DESTDIR),$(abspath $(DESTDIR)))
install:
	$(PYTHON) -m venv $(STAGE)$(PREFIX)/lib/kzram-ci
	$(STAGE)$(PREFIX)/lib/kzram-ci/bin/pip install --quiet --disable-pip-version-check .
	$(if $(STAGE),grep -rIlF '$(STAGE)$(PREFIX)' $(STAGE)$(PREFIX)/lib/kzram-ci/bin $(STAGE)$(PREFIX)/lib/kzram-ci/pyvenv.cfg \
		| xargs sed -i 's|$(STAGE)$(PREFIX)|$(PREFIX)|g')
	install -d $(STAGE)$(PREFIX)/bin $(STAGE)$(PREFIX)/share
	ln -sf $(PREFIX)/lib/kzram-ci/bin/kzram-ci $(STAGE)$(PREFIX)/bin/kzram-ci
	cp -R share/. $(STAGE)$(PREFIX)/share/

dist: setup
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--of JSON -o dist/kzram-ci.cdx.json requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
