# Every target makes and uses .venv by itself. PIP_ARGS is passed to pip.
PYTHON ?= python3
BIN := .venv/bin
ENV := PATH="$(CURDIR)/$(BIN):$$PATH"
# missing ones are installed, each by itself: a machine's own node and Debian's npm exclude each other;
# axe, which npm brings, looks at whether everybody can use a page
BROWSER := chromium npm
AXE := tests/browser/node_modules/axe-core/axe.min.js
# on a CPU more threads than cores cost factors; a value of your own is left alone
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slow test-gpu fuzz kills soak browser conformance methods compare bench bench-gpu lint clean

demo: .venv/installed
	$(ENV) deepspeed --num_gpus 1 scripts/train.py

# a file's tests share what they built, so files and not tests are dealt out
test: .venv/installed browser
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# what opens the report in the tests; without it those tests fail and name this command
browser:
	@missing=; for name in $(BROWSER); do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	if test "$$missing" && test "$$(id -u)" = 0; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing; fi
	@test -e $(AXE) || npm ci --silent --no-audit --no-fund --prefix tests/browser || \
		echo "the browser tests will fail: as root, apt-get install $(BROWSER), then make browser" >&2

test-slow: .venv/installed
	$(ENV) $(BIN)/python -m pytest -m slow

# files of every kind that is read, spoilt for ten minutes
fuzz: .venv/installed
	FUZZ_SECONDS=$(or $(SECONDS),600) $(BIN)/python -m pytest -m slow -rP tests/fuzz

# one job killed with -9 fifty times, in many phases of it; KILLS=6 for six
kills: .venv/installed
	$(ENV) $(BIN)/python -m pytest -m slow -rP tests/run/test_many_kills.py

# 2,000 steps of the quickstart's student: memory and open files stay flat; SOAK_STEPS=1000 for half
soak: .venv/installed
	$(ENV) $(BIN)/python -m pytest -m slow -rP tests/run/test_soak.py

test-gpu: .venv/installed
	$(ENV) $(BIN)/python -m pytest -m gpu

methods: .venv/installed
	$(BIN)/python -m pytest -m slow tests/run/test_every_task.py

compare: .venv/installed
	$(ENV) python scripts/compare.py configs/comparisons/scenes.yaml --sweep

conformance: .venv/installed
	$(BIN)/python -m pytest tests/conformance

bench: .venv/installed
	OMP_NUM_THREADS=2 $(BIN)/python -m benchmarks.prefix_sharing
	for work in llava_9m qwen_vl_9m text_9m; do OMP_NUM_THREADS=2 $(BIN)/python -m benchmarks.step --workload $$work || exit 1; done
	OMP_NUM_THREADS=2 $(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.asking

bench-gpu: .venv/installed
	$(BIN)/python -m benchmarks.step --device cuda --workload llava_1_5_7b
	$(BIN)/python -m benchmarks.step --device cuda --workload qwen2_5_vl_3b

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# torch and torchvision come as a pair: one from another index than the other does not find its operators
.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) --editable ".[test]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
