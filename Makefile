# Every target sets up what it needs: Python 3.11 or newer, a C++20 compiler and make are enough.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --no-build-isolation -c constraints/cpu.txt
DATA ?= build/demo/edf
CACHE := build/demo/cache$(if $(filter build/demo/edf,$(DATA)),,-$(notdir $(abspath $(DATA)/..)))
SEIZUREKIT := $(BIN)/seizurekit
# One process more than the two CPUs of CI: many tests wait for other processes, timers or servers.
PYTEST := $(BIN)/python -m pytest -n 3 --dist worksteal
CPP := $(shell find csrc tests/fuzz -name '*.cpp' -o -name '*.hpp')
NATIVE := CMakeLists.txt pyproject.toml $(shell find csrc -type f)

.PHONY: demo test test-fast coverage lint check-style check-types check-cpp format bench fuzz wheel clean

.venv/.base:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "seizurekit needs Python 3.11 or newer; set PYTHON")'
	$(PYTHON) -m venv .venv
	$(PIP) 'pip>=26.3'  # knows --group and --only-deps
	$(PIP) --group build
	touch $@

# The C++ core in editable mode. It compiles while the packages that it needs at run time are downloaded.
.venv/.built: .venv/.base $(NATIVE)
	$(PIP) --no-deps --config-settings=cmake.define.SEIZUREKIT_WERROR=$(if $(CI),ON,OFF) -e .
	touch $@

.venv/.packages: .venv/.base pyproject.toml constraints/cpu.txt
	$(PIP) --only-deps '.[train]'
	touch $@

.venv/.lint: .venv/.base pyproject.toml
	$(PIP) --group lint
	touch $@

.venv/.dev: .venv/.lint .venv/.packages
	$(PIP) --only-deps '.[train,wandb,dask]'
	$(PIP) --group dev
	touch $@

# A detector from nothing: corpus, store, training, scores, and the events of a recording that training never saw.
# `make demo DATA=<tusz>/edf` takes a real corpus.
demo:
	@$(MAKE) -j2 --output-sync=target .venv/.built .venv/.packages
ifeq ($(DATA),build/demo/edf)
	$(SEIZUREKIT) synth $(DATA)
endif
	$(SEIZUREKIT) build-cache --data-dir $(DATA) --cache-dir $(CACHE)
	$(SEIZUREKIT) train configs/demo.yaml --overwrite cache.dir=$(CACHE)
	$(SEIZUREKIT) evaluate runs/demo/best.safetensors --cache-dir $(CACHE) --split dev
	unseen=$$(grep -rl --include='*.csv_bi' ',seiz,' $(DATA)/eval | LC_ALL=C sort | head -n 1); \
	test -n "$$unseen" || { echo "no recording with a seizure in $(DATA)/eval"; exit 1; }; \
	$(SEIZUREKIT) detect runs/demo/best.safetensors "$${unseen%.csv_bi}.edf" runs/demo/unseen.tsv --report runs/demo/report.png
	@echo "Look at runs/demo/report.png; the figures are in runs/demo/evaluate-dev/metrics.json"

# What CI runs. The linters and the sanitizer build run while packages are downloaded.
test:
	@$(MAKE) -j3 --output-sync=target lint build/asan/.built
	$(PYTEST) --durations=20

# For use while editing: no linters, no test that takes more than a second, no folder that takes more than a few.
test-fast: .venv/.built .venv/.dev
	$(PYTEST) -m 'not slow' tests/unit $(addprefix --ignore=tests/unit/,bench cache kernels models ops training)

# Lines of Python and C++ that no test reaches. The core is then one without optimization; the next target replaces it.
coverage: .venv/.built .venv/.dev
	$(PIP) --group coverage
	$(BIN)/cmake --preset coverage
	$(BIN)/cmake --build --preset coverage
	$(BIN)/cmake --install build/coverage --prefix $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
	rm .venv/.built
	$(PYTEST) --cov=python/seizurekit --cov-report=term-missing:skip-covered
	$(BIN)/python tools/cpp_coverage.py

lint: check-cpp check-types check-style

check-types: .venv/.dev
	$(BIN)/mypy

check-style: .venv/.built .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python tools/banned_words.py
	$(BIN)/python -m mypy.stubtest seizurekit._core --concise --mypy-config-file tools/stubtest.ini --allowlist tools/stubtest_allowlist.txt
	$(BIN)/lint-imports

check-cpp: .venv/.lint
	@$(BIN)/clang-format --dry-run --Werror $(CPP)
	@mkdir -p build
	@{ $(BIN)/cmake --preset tidy && $(BIN)/run-clang-tidy.py -quiet -j 2 -p build/tidy -clang-tidy-binary $(BIN)/clang-tidy; } > build/clang-tidy.log 2>&1 || { cat build/clang-tidy.log; exit 1; }

build/asan/.built: .venv/.base CMakePresets.json $(NATIVE) $(shell find tests/fuzz -type f -name '*.?pp')
	$(BIN)/python tests/fuzz/run.py --build-only
	touch $@

format: .venv/.built .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

bench: .venv/.built .venv/.dev
	$(BIN)/python -m bench.edf
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.loader
	$(BIN)/python -m bench.loader --source s3 --step-ms 150
	$(BIN)/python -m bench.opening
	$(BIN)/python -m bench.codecs
	$(BIN)/python -m bench.kernels
	$(BIN)/python -m bench.train
	$(BIN)/python -m bench.threads
	$(BIN)/python -m bench.loop
	$(BIN)/python -m bench.loop --source s3 --step-ms 150
	$(BIN)/python -m bench.telemetry

fuzz: build/asan/.built .venv/.built .venv/.dev
	$(BIN)/python tests/fuzz/run.py --seconds 600
	$(BIN)/python tests/fuzz/test_annotations_fuzz.py --inputs 1000000 --seed 1

wheel: .venv/.built .venv/.dev
	$(BIN)/pip wheel --no-deps --no-build-isolation -w dist .

clean:
	rm -rf .venv build dist
