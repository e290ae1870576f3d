# make demo builds and tests an example; make test runs every check. All paths are relative, so that the
# checkout may lie anywhere, also under a path with spaces.

# torch's pinned version has wheels for Python 3.11: that one is taken where python3 is another.
PYTHON ?= $(shell \
	if python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then echo python3; \
	elif python3.11 -c '' 2>/dev/null; then echo python3.11; \
	else echo python3; fi)

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
INSTALL := $(VENV_PYTHON) -m pip install -qq --disable-pip-version-check --constraint constraints.txt
# Two processors are kept busy by four processes: tests wait for servers and sleepers too. Each begins with a quarter
# of its own, so that what a module sets up is set up once, and takes from the others when it is done. Where processes
# with libraries can be forked, one collects the tests for all.
PYTEST_FLAGS ?= $(if $(filter Linux,$(shell uname)),--forks 4,-n 4 --dist worksteal)

# An environment of its own: none of the libraries is to be had where everything else is tested.
ZOO := .venv-zoo
MODELS := .venv-models
FUZZ := .venv-fuzz
INTEGRATIONS := .venv-integrations
DOCS := .venv-docs
BACKENDS := .venv-backends
RELEASE := .venv-release

.DELETE_ON_ERROR:
.PHONY: help demo test pytest lint dist release release-check bench fuzz sanitize zoo matrix models integrations backends gpu load docs examples pictures machine format clean

help: ## Show what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: $(VENV)/demo.stamp ## Build the ResNet-18 example twice, compare the bytes, and run its test
	@PATH="$$PWD/$(VENV)/bin:$$PATH" sh examples/demo.sh

test: ## Run every check: format, lint, types, layers, tests
	@# What is fetched for tests comes while pip installs. The quick checks take the processor that tests leave.
	+@$(MAKE) --no-print-directory -j 2 $(VENV)/test.stamp $(VENV)/machine.stamp
	+@$(MAKE) --no-print-directory -j 2 pytest lint

pytest: $(VENV)/test.stamp $(VENV)/machine.stamp $(VENV)/speed.stamp
	$(VENV_PYTHON) -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/test.stamp ## Run the checks that run nothing: format, lint, types, layers
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

dist: $(VENV)/made.stamp ## Make the wheels and source distributions of hermpkg-runtime and hermpkg-build in dist/
	$(INSTALL) setuptools "tomli; python_version < '3.11'"
	@$(VENV_PYTHON) hermpkg_build/runtime/distribution/make.py dist

# Under --dry-run, make runs the lines with a + all the same.
DRY := $(DRY_RUN)$(findstring n,$(filter-out -%,$(firstword $(MAKEFLAGS))))

release: ## Set VERSION everywhere, cut the changelog, make and check all files in dist/, commit and tag; DRY_RUN=1: only make and check
	+@MAKEFLAGS= $(MAKE) --no-print-directory $(RELEASE)/release.stamp
	+@$(RELEASE)/bin/python hermpkg_build/runtime/distribution/release.py $(if $(DRY),--dry-run) "$${VERSION:-}"

release-check: $(RELEASE)/release.stamp ## Make all files of a release in dist/, and have the tools of their ecosystems check them and the checkout
	@$(RELEASE)/bin/python hermpkg_build/runtime/distribution/check_release.py dist "$${RELEASED:-}"
	$(RELEASE)/bin/python -m pytest tests/release

thorough: $(VENV)/test.stamp $(VENV)/machine.stamp $(VENV)/speed.stamp ## Run the tests that are too long for every change: large libraries, emulated processors
	$(VENV_PYTHON) -m pytest $(PYTEST_FLAGS) -m thorough

bench: $(VENV)/test.stamp $(VENV)/speed.stamp ## Measure hermpkg side by side with its peers
	@$(VENV_PYTHON) tests/benchmarks/run.py

fuzz: $(if $(GUIDED),$(FUZZ)/fuzz.stamp,$(VENV)/test.stamp $(VENV)/speed.stamp) ## Read COUNT mutants of what each TARGET reads, from number FIRST on; GUIDED=1: for SECONDS by coverage
ifdef GUIDED
	@$(FUZZ)/bin/python tests/fuzz/guided.py $(or $(SECONDS),60) $(or $(TARGET),kept words pickles sources build_files archives)
else
	@$(VENV_PYTHON) tests/fuzz/run.py $(or $(COUNT),10000) $(FIRST) $(TARGET)
endif

sanitize: $(VENV)/test.stamp ## Read COUNT mutants of sources, and write objects, with hermpkg-speed, built with the sanitizers of gcc
	@$(VENV_PYTHON) tests/native/sanitized.py $(or $(COUNT),100000)

zoo: $(ZOO)/zoo.stamp ## Pack models of twelve libraries and load them where the libraries are not
	@$(ZOO)/bin/python tests/zoo/run.py $(LIBRARIES)

matrix: $(VENV)/test.stamp ## Test with other versions of Python and torch, and have artifacts cross between them (8 GiB at once)
	@$(VENV_PYTHON) tests/matrix/run.py $(ENVIRONMENTS)

models: $(MODELS)/models.stamp ## Pack models of 57 libraries with one line each, and run them where the libraries are not
	@$(MODELS)/bin/python tests/zoo/pack.py $(LIBRARIES)

integrations: $(INTEGRATIONS)/integrations.stamp ## Serve artifacts with Ray, MLflow, LitServe, BentoML and KServe; keep them in S3
	@$(INTEGRATIONS)/bin/python -m pytest tests/integrations tests/unit/integrations tests/registry/test_s3.py

backends: $(BACKENDS)/backends.stamp ## Make wheels with artifacts by the real build backends, isolated and not
	@$(BACKENDS)/bin/python -m pytest tests/backends

gpu: ## Test and measure on a GPU: PYTHON=... whose torch sees it, and which has pytest and packaging
	PYTHONPATH="$$PWD" "$(PYTHON)" -m pytest -c /dev/null --rootdir=. --noconftest -p no:cacheprovider tests/gpu
	@PYTHONPATH="$$PWD" "$(PYTHON)" tests/benchmarks/bench_gpu.py

load: $(VENV)/test.stamp ## Call a pool 10,000 times, and a server COUNT times, while workers are killed; no call may be lost
	@$(VENV_PYTHON) tests/serving/stress.py
	@$(VENV_PYTHON) tests/serving/load.py $(COUNT)

docs: $(DOCS)/docs.stamp ## Build the site of the documentation, of this version, in site/
	@$(DOCS)/bin/python docs/site/make.py

examples: $(VENV)/test.stamp ## Follow the pages of all examples in copies of them
	$(VENV_PYTHON) -m pytest $(PYTEST_FLAGS) -m "thorough or not thorough" tests/e2e/test_example_pages.py tests/e2e/test_examples.py

pictures: $(VENV)/test.stamp $(VENV)/machine.stamp ## Make the pictures of the documentation, in a Chromium
	$(VENV_PYTHON) docs/pictures/make_pictures.py

machine: ## Install what tests need beyond Python; tests are skipped that this machine has not got the parts for
	sh tests/machine.sh

format: $(VENV)/test.stamp ## Format the code
	$(VENV_PYTHON) -m ruff format .
	$(VENV_PYTHON) -m ruff check --fix .
	sh tests/bazel/buildifier.sh fix || test $$? = 69

clean: ## Remove everything that make made
	rm -rf $(VENV) $(ZOO) $(MODELS) $(FUZZ) $(INTEGRATIONS) $(DOCS) $(BACKENDS) $(RELEASE) .venv-matrix tests/*/node_modules build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache examples/*/hermpkg-out tests/zoo/hermpkg-out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made.stamp:
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/demo.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	$(INSTALL) --editable '.[torch]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	$(INSTALL) --editable '.[torch,dev]'
	@touch $@ $(VENV)/demo.stamp

# The extension, where there is a compiler: there is no stamp otherwise, and its tests are skipped.
$(VENV)/speed.stamp: $(VENV)/test.stamp $(wildcard hermpkg_build/source/native/*.[ch] hermpkg_build/pickles/native/*.[ch]) hermpkg_build/version.py
	@rm -rf build/speed
	@if made=$$(CFLAGS="-Wall -Wextra -Wshadow -Werror" $(VENV_PYTHON) hermpkg_build/runtime/distribution/make.py build/speed hermpkg-speed 2>&1); then \
		$(INSTALL) --no-deps --force-reinstall build/speed/*.whl && touch $@; \
	else printf '%s\nhermpkg-speed cannot be built here: its tests will be skipped\n' "$$made" >&2; fi

# Where something cannot be installed there is no stamp, so that the next run tries again, and says so again.
$(VENV)/machine.stamp: $(VENV)/made.stamp $(wildcard tests/*.sh tests/*/*.sh)
	@if sh tests/machine.sh; then touch $@; fi

$(FUZZ)/fuzz.stamp: pyproject.toml constraints.txt
	"$(PYTHON)" -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt \
		--editable '.[torch,dev]' atheris==3.0.0
	@touch $@

$(ZOO)/zoo.stamp: pyproject.toml tests/zoo/constraints.txt tests/zoo/requirements.txt
	"$(PYTHON)" -m venv $(ZOO)
	$(ZOO)/bin/python -m pip install -qq --disable-pip-version-check --constraint tests/zoo/constraints.txt \
		--requirement tests/zoo/requirements.txt --editable '.[torch]'
	@touch $@

$(MODELS)/models.stamp: pyproject.toml tests/zoo/models/constraints.txt tests/zoo/models/requirements.txt
	"$(PYTHON)" -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install -qq --disable-pip-version-check --prefer-binary \
		--constraint tests/zoo/models/constraints.txt --requirement tests/zoo/models/requirements.txt --editable '.[torch]'
	@touch $@

$(INTEGRATIONS)/integrations.stamp: pyproject.toml tests/integrations/constraints.txt tests/integrations/requirements.txt \
		tests/registry/requirements.txt
	"$(PYTHON)" -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip install -qq --disable-pip-version-check --prefer-binary \
		--constraint tests/integrations/constraints.txt --requirement tests/integrations/requirements.txt \
		--requirement tests/registry/requirements.txt --editable '.[torch]'
	@touch $@

# Two scripts come from npm: without it the site has no drawn diagrams, and no search without a server.
$(DOCS)/docs.stamp: docs/site/requirements.txt docs/site/constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit("make docs needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	"$(PYTHON)" -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install -qq --disable-pip-version-check --constraint docs/site/constraints.txt \
		--requirement docs/site/requirements.txt
	npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix $(DOCS) \
		mermaid@11.17.2 iframe-worker@1.0.4 || echo "make docs goes on without npm"
	@touch $@

$(RELEASE)/release.stamp: pyproject.toml tests/release/constraints.txt tests/release/requirements.txt
	"$(PYTHON)" -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install -qq --disable-pip-version-check --constraint tests/release/constraints.txt \
		--requirement tests/release/requirements.txt --editable .
	$(RELEASE)/bin/python -m pip install -qq --disable-pip-version-check --constraint tests/release/constraints.txt \
		--no-deps cffconvert
	@touch $@

$(BACKENDS)/backends.stamp: pyproject.toml tests/backends/constraints.txt tests/backends/requirements.txt
	"$(PYTHON)" -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install -qq --disable-pip-version-check \
		--constraint tests/backends/constraints.txt --requirement tests/backends/requirements.txt --editable .
	@touch $@
