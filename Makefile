# Everything is installed into .venv from the lock files in requirements/.
# TORCH_INDEX: a further package index to take torch from, e.g. PyTorch's CPU index.
PYTHON ?= python3
PIP = .venv/bin/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: run test debian nightly fix docs dist bench audit lock clean

# The demo model, unless the environment, .env or limner.toml names another.
run: .venv/run
	@grep -Eqsi '^ *(export +)?(limner_)?model *=' .env limner.toml || export LIMNER_MODEL="$${LIMNER_MODEL:-demo}"; exec .venv/bin/limner serve

test: .venv/test .venv-dstack/installed debian
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 --dist loadfile -m 'not slow and not nightly'
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 --dist loadfile --timeout 180 -m 'slow and not nightly'

# A browser, Prometheus and exiftool, where Debian's packages can be had. Tests that need what is not there are skipped,
# and say so.
debian:
	@wanted=; found=; for name in chromium chromium-browser google-chrome; do ! command -v $$name >/dev/null || found=yes; done; \
	test -n "$$found" || wanted=chromium; command -v prometheus >/dev/null || wanted="$$wanted prometheus"; \
	command -v exiftool >/dev/null || wanted="$$wanted libimage-exiftool-perl"; \
	test -n "$$wanted" && command -v apt-get >/dev/null && test "$$(id -u)" = 0 || exit 0; \
	echo "Installing Debian's $$wanted for tests (once) ..."; \
	install="apt-get install --yes --quiet=2 --no-install-recommends -o Dpkg::Use-Pty=0 $$wanted"; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	$$install >/dev/null 2>&1 || { apt-get update --quiet=2 && $$install >/dev/null; } || \
	echo "They could not be installed; tests that need them are skipped." >&2

# What takes too long for every change.
nightly: .venv/test .venv-dstack/server
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 --dist loadfile --timeout 7200 -m nightly

fix: .venv/test
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# The site, in site/. Material for MkDocs tells of its successor at every start; we know.
docs: .venv/test
	.venv/bin/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build

# Wheel and sdist, in dist/.
dist: .venv/test
	.venv/bin/python -m build --no-isolation

bench: .venv/test
	.venv/bin/python -m benchmarks

# Fails where a locked package has a known flaw, or PyPI could not be asked about it, or a licence does not go with ours.
audit: .venv/run .venv-audit/installed
	.venv/bin/python requirements/licences.py
	@for lock in requirements/*.txt; do echo "$$lock"; \
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement $$lock || failed=1; \
	done; test -z "$$failed" || { echo "Flaws were found, or PyPI could not be asked about all packages: see above." >&2; exit 1; }

.venv/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Limner needs Python 3.11 or newer; say: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/run: requirements/run.txt pyproject.toml | .venv/bin/pip
	@echo "Installing what Limner needs into .venv (once, some minutes) ..."
	$(PIP) --requirement requirements/run.txt
	$(PIP) --no-deps --editable .
	@touch $@

# For LIMNER_EXECUTOR=ray.
.venv/cluster: requirements/cluster.txt .venv/run
	$(PIP) --requirement requirements/cluster.txt
	@touch $@

# The lock is whole, and has the build of OpenCV that needs no display.
.venv/test: requirements/test.txt .venv/run
	$(PIP) --no-deps --requirement requirements/test.txt
	@touch $@

# dstack's dependencies do not belong into the bot's.
.venv-dstack/installed: requirements/dstack.txt
	$(PYTHON) -m venv .venv-dstack
	.venv-dstack/bin/pip install --quiet --disable-pip-version-check --requirement requirements/dstack.txt
	@touch $@

.venv-dstack/server: requirements/dstack-server.txt .venv-dstack/installed
	.venv-dstack/bin/pip install --quiet --disable-pip-version-check --requirement requirements/dstack-server.txt
	@touch $@

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	@touch $@

# Anew, to the newest versions that pyproject.toml allows. A build's own tag ("+cpu") is taken off torch: which build
# is had depends on the machine.
COMPILE = .venv-lock/bin/pip-compile --quiet --upgrade --strip-extras --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
lock:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet pip-tools
	$(COMPILE) --output-file requirements/run.txt pyproject.toml
	$(COMPILE) --extra cluster --constraint requirements/run.txt --output-file requirements/cluster.txt pyproject.toml
	$(COMPILE) --extra test --constraint requirements/run.txt --output-file requirements/test.txt pyproject.toml
	$(COMPILE) --output-file requirements/dstack.txt requirements/dstack.in
	$(COMPILE) --constraint requirements/dstack.txt --output-file requirements/dstack-server.txt requirements/dstack-server.in
	sed -i 's/^\(torch==[0-9.]*\)+.*/\1/; s/^opencv-python==/opencv-python-headless==/' requirements/*.txt

clean:
	rm -rf .venv .venv-audit .venv-dstack .venv-lock build dist site *.egg-info
