# Names the commands; beside cargo nothing here is needed. `make` lists the targets, and `make setup` installs what a fresh machine lacks.

PROFILE ?= cpu
JOBS ?=
# Where rustup puts cargo. A shell that was open before `make setup` does not know it yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)
PROGRAM = $(or $(CARGO_TARGET_DIR),target)/release/onebasin
BUILD = cargo build --release --locked --bin onebasin
RUN = $(PROGRAM) run --profile $(PROFILE) $(if $(JOBS),--jobs $(JOBS))

EXPERIMENTS = mnist-mlp table-1 table-3 table-4 table-5 table-6 figure-2 figure-3 figure-4 figure-5 figure-7a figure-7a-replicates figure-7b figure-8 figure-9 figure-10 figure-11 \
	figure-15 figure-17 restarts replicates width dead-networks git-rebasin-mnist git-rebasin-cifar10 git-rebasin-epochs git-rebasin-split \
	git-rebasin-glyphs git-rebasin-imagenet git-rebasin-width ot-fusion-mnist ot-fusion-widths ot-fusion-pruning ot-fusion-skills ot-fusion-many \
	ot-fusion-cifar10 repair-mlp-depth repair-resnet20 repairing rematch federated mpf-published mpf-described mpf-fair cifar10-resnet20 cifar10-vgg11 cifar100-resnet20

.DEFAULT_GOAL := help
.PHONY: help setup build test quickstart smoke $(EXPERIMENTS:%=reproduce-%) reproduce-mpf reproduce-mpf-continual reproduce-planted-permutation reproduce-counterexample check-accuracies check-tables check-report setup-wgpu test-wgpu device-check device-check-programs test-slurm bench peers python lint docs fuzz ci

help:
	@echo "make setup               install what is missing: a C compiler, the Rust toolchain, the libraries' sources"
	@echo "make quickstart          train, match, merge and measure three small networks: results/quickstart, plots/quickstart"
	@echo "make test                run every test"
	@echo "make smoke               every method on tiny networks, in seconds"
	@echo "make check-accuracies    hold the figures of a small experiment against their committed bands"
	@echo "make check-tables        hold rematch, figure 7a and the small table 1 against their bands, in an hour and a half"
	@echo "make check-report        use the page of a finished quickstart in headless Chromium, which comes from Debian's packages"
	@echo "make test-slurm          run stages as jobs of a real Slurm of two nodes on this machine, which comes from Debian's packages"
	@echo "make setup-wgpu          install a Vulkan that computes on the processor"
	@echo "make test-wgpu           the device tests and the smoke experiment on the device wgpu"
	@echo "make device-check        what a GPU is worth: tests, rates, beside PyTorch; DEVICE=cuda (default), wgpu or cpu"
	@echo "make device-check-programs  only builds what it runs, to be carried to a machine with a GPU"
	@echo "make bench               time our work beside the peers', which come from PyPI into .venv"
	@echo "make python              build the wheel of the Python package and run its tests, in .venv-python"
	@echo "make lint, docs, fuzz, ci   what continuous integration runs"
	@echo "make reproduce-NAME      one experiment, PROFILE=cpu (default) or, of a paper's, PROFILE=paper, JOBS=N. NAME is one of"
	@echo "$(EXPERIMENTS) mpf mpf-continual planted-permutation counterexample" | fold -s -w 90 | sed 's/^/    /'

# Says what it will do before it does it.
setup:
	@command -v cc >/dev/null || { echo "setup: no C compiler found; installing gcc with apt-get"; sudo=$$(command -v sudo || true); $$sudo apt-get update && $$sudo apt-get install --yes gcc libc6-dev; }
	@command -v cargo >/dev/null || { echo "setup: no cargo found; installing rustup from https://sh.rustup.rs into $(HOME)/.cargo"; curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none; }
	@cargo fetch --locked

# cargo shows how far it is.
build: setup
	@test -x $(PROGRAM) || echo "building onebasin for the first time: about nine minutes on two cores"
	@$(BUILD)

# Every test, of every crate.
test: setup
	cargo test --release --locked --workspace

# Three networks on generated images, every method.
quickstart: build
	$(PROGRAM) run experiments/quickstart.toml

# All methods on tiny nets, in seconds.
smoke: build
	$(PROGRAM) run experiments/smoke.toml --results target/smoke/results --plots target/smoke/plots --store target/smoke/store

# One experiment: its spec, results/ and plots/ have the name behind `reproduce-`. PROFILE=paper has the published settings, where there are any.
$(EXPERIMENTS:%=reproduce-%): reproduce-%: build
	$(RUN) experiments/$*.toml

# Mode-path fusion: as published, as described, and with fair controls.
reproduce-mpf: reproduce-mpf-published reproduce-mpf-described reproduce-mpf-fair
	$(PROGRAM) compare results/mpf-published results/mpf-described results/mpf-fair --to results/mpf

# Five tasks one after the other, then the same over the number of images that are replayed.
reproduce-mpf-continual: build
	$(RUN) experiments/mpf-continual.toml
	$(RUN) experiments/mpf-continual.toml --sweep replay=16,32,64,128,256,512

# How often each method finds a shuffle that is known to be there: weights drawn, nothing trained.
reproduce-planted-permutation: setup
	cargo run --release --locked --package onebasin-matching --example planted_permutation -- results/planted-permutation

# Two networks that no order of units joins.
reproduce-counterexample: setup
	cargo run --release --locked --package onebasin-matching --example counterexample -- results/counterexample plots/counterexample

# The figures of a small experiment against their committed bands. `RENEW=--renew` shows what changes and writes them anew.
GUARDED = --results target/accuracies/results --plots target/accuracies/plots --store target/accuracies/store
check-accuracies: build
	$(PROGRAM) run experiments/accuracies.toml $(GUARDED)
	$(PROGRAM) check experiments/accuracies.toml --against experiments/expected/accuracies.csv --all $(RENEW) $(GUARDED)

# Real tables, at length: figure 7a against the reported figures, then it and the small table 1 against their committed bands, beside which
# stand the recipes that made them, so that the verdict names the stage that moved. All is run before the verdict. `RENEW=--renew` as above;
# `DATA=DIR` for files that are here. A pair of table 1 whose data are not here is not run, and no fault.
TABLES = --profile cpu --results target/tables/results --plots target/tables/plots --store target/tables/store $(if $(DATA),--data $(DATA))
check-tables: build
	@code=0; \
	for spec in rematch mnist-mlp table-1; do \
		$(PROGRAM) run experiments/$$spec.toml $(TABLES) $(if $(JOBS),--jobs $(JOBS)) || exit $$?; \
	done; \
	echo "figure 7a beside the reported figures:"; \
	$(PROGRAM) check experiments/mnist-mlp.toml $(TABLES) || code=1; \
	for spec in rematch mnist-mlp table-1; do \
		echo "$$spec beside its committed bands:"; \
		$(PROGRAM) check experiments/$$spec.toml --against experiments/expected/$$spec.csv $(RENEW) $(TABLES) || code=1; \
	done; \
	exit $$code

# The page of the quickstart, in a browser.
check-report: quickstart
	@command -v chromium >/dev/null || { echo "check-report: installing chromium and npm with apt-get"; sudo=$$(command -v sudo || true); $$sudo apt-get update && $$sudo apt-get install --yes chromium npm; }
	npm install --no-package-lock --no-audit --no-fund --prefix tools/report
	$(PROGRAM) report experiments/quickstart.toml
	node tools/report/test.mjs results/quickstart/report.html

# Jobs of a real Slurm, which lives in target/slurm meanwhile. One test at a time: the nodes are few.
test-slurm: setup
	cargo test --release --locked --workspace --test pipeline --no-run
	tools/slurm/up target/slurm
	code=0; SLURM_TEST_FOLDER=$(CURDIR)/target/slurm cargo test --release --locked --workspace --test pipeline -- --test-threads 1 slurm::real || code=$$?; \
		tools/slurm/down target/slurm; exit $$code

# Ours beside the peers', in one run each; the peers come from PyPI into .venv.
bench: setup peers
	cargo bench --locked --workspace
	cargo build --release --locked --workspace --examples
	for script in benchmarks/*.py; do .venv/bin/python $$script || exit 1; done
	.venv/bin/python benchmarks/c2m3.py --scaling

peers: .venv/installed

.venv/installed: benchmarks/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement benchmarks/requirements.txt
	touch $@

# The Python package, of the libraries that the command is made of: its wheel, in a virtual environment with SciPy and POT, and its tests there. Those with torch are skipped where it is not
# installed. In `ci`, a machine that can make no such environment is told so and goes on.
PYTHON ?= python3
WHEELS = $(or $(CARGO_TARGET_DIR),target)/wheels
python: setup
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' && $(PYTHON) -m venv .venv-python && .venv-python/bin/pip install --quiet --requirement workspace/python/requirements.txt; then \
		rm -rf $(WHEELS) && \
		.venv-python/bin/maturin build --release --locked --quiet --manifest-path workspace/python/Cargo.toml --out $(WHEELS) && \
		.venv-python/bin/pip install --quiet --no-deps --force-reinstall $(WHEELS)/onebasin-*.whl && \
		.venv-python/bin/python -m unittest discover --verbose --start-directory workspace/python/tests; \
	elif [ -n "$(CI)" ]; then \
		echo "python: not built and not tested: Python 3.11, \`$(PYTHON) -m venv\` or PyPI is not there"; \
	else \
		echo "python: needs Python 3.11, \`$(PYTHON) -m venv\` and packages from PyPI: workspace/python/requirements.txt"; exit 1; \
	fi

lint: setup
	cargo fmt --all --check
	PYO3_NO_PYTHON=1 PYO3_BUILD_EXTENSION_MODULE=1 cargo clippy --release --locked --workspace --all-targets --features onebasin-python/extension -- --deny warnings

docs: setup
	RUSTDOCFLAGS="--deny warnings" cargo doc --release --locked --workspace --no-deps

# The fuzz targets of the readers build; `cargo fuzz run any` in workspace/checkpoints runs one, with a nightly toolchain and a C++ compiler.
fuzz: setup
	cargo check --release --locked --manifest-path workspace/checkpoints/fuzz/Cargo.toml --no-default-features --target-dir $(or $(CARGO_TARGET_DIR),target)/fuzz

# A Vulkan that computes on the processor, by which the device `wgpu` can be tried without a GPU.
setup-wgpu:
	@command -v vulkaninfo >/dev/null && ls /usr/share/vulkan/icd.d/lvp_icd* >/dev/null 2>&1 || { echo "setup-wgpu: installing mesa-vulkan-drivers and vulkan-tools with apt-get"; sudo=$$(command -v sudo || true); $$sudo apt-get update && $$sudo apt-get install --yes mesa-vulkan-drivers vulkan-tools libvulkan1; }

# The device tests of the training library and the smoke experiment on `wgpu`. Where there is no Vulkan a line says that tests are skipped.
WGPU_TARGET = $(or $(CARGO_TARGET_DIR),target)/wgpu
WGPU_RUN = $(WGPU_TARGET)/release/onebasin run experiments/smoke.toml --device wgpu --results target/smoke-wgpu/results --plots target/smoke-wgpu/plots --store target/smoke-wgpu/store
test-wgpu: setup
	@if ! vulkaninfo --summary > /dev/null 2>&1; then echo "test-wgpu: skipped: no Vulkan here, make setup-wgpu installs one"; exit 0; fi; \
	set -ex; \
	cargo test --release --locked --target-dir $(WGPU_TARGET) --workspace --features onebasin/wgpu --test training --lib -- device gradients; \
	cargo build --release --locked --target-dir $(WGPU_TARGET) --workspace --features onebasin/wgpu --bin onebasin; \
	$(WGPU_RUN)

# What a device is worth: its tests, repeats, rates alone and shared, beside PyTorch where that is installed. `DEVICE=cuda`, `wgpu` or `cpu`.
DEVICE ?= cuda
DEVICE_KIND = $(firstword $(subst :, ,$(DEVICE)))
CHECK_TARGET = $(or $(CARGO_TARGET_DIR),target)/$(if $(filter cpu,$(DEVICE_KIND)),device-check-build,$(DEVICE_KIND))
CHECK_FEATURES = $(if $(filter cpu,$(DEVICE_KIND)),,--features onebasin/$(DEVICE_KIND))
device-check-programs: setup
ifeq ($(DEVICE_KIND),cuda)
	tools/offline-cuda/build $(CHECK_TARGET)
else
	cargo build --release --locked --target-dir $(CHECK_TARGET) --workspace --bin onebasin --example device_check $(CHECK_FEATURES)
	cp $(CHECK_TARGET)/release/examples/device_check $(CHECK_TARGET)/release/device_check
endif

device-check: device-check-programs
	PROGRAMS=$(CHECK_TARGET)/release tools/device-check/run $(DEVICE)

# All that must hold, part by part up to the first that fails, with the seconds of each. The tests come last: their closing lines end the log.
ci:
	@for part in lint docs fuzz smoke check-accuracies python test; do \
		begun=$$(date +%s); code=0; \
		CARGO_INCREMENTAL=0 CI=1 $(MAKE) --no-print-directory $$part || code=$$?; \
		took="$${took:+$$took, }$$part $$(( $$(date +%s) - begun )) s"; \
		if [ $$code -ne 0 ]; then echo "ci: failed in $$part; $$took"; exit $$code; fi; \
		echo "ci: $$took"; \
	done
