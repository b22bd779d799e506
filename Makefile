# `make setup` installs what a fresh machine lacks; every other target calls it. Nothing here is needed beside cargo: it only names the commands.

PROFILE ?= cpu
JOBS ?=
ONEBASIN = cargo run --release --locked --quiet --bin onebasin --
RUN = $(ONEBASIN) run --profile $(PROFILE) $(if $(JOBS),--jobs $(JOBS))

EXPERIMENTS = table-1 table-3 table-4 table-5 table-6 figure-2 figure-3 figure-4 figure-5 figure-7b figure-8 figure-9 figure-10 figure-11 \
	figure-15 figure-17 restarts replicates git-rebasin-mnist cifar10-resnet20 cifar10-vgg11 cifar100-resnet20

.PHONY: setup test quickstart smoke $(EXPERIMENTS:%=reproduce-%) reproduce-figure-7a check-accuracies bench peers lint docs ci

setup:
	@command -v cc >/dev/null || { echo "installing a C compiler"; sudo=$$(command -v sudo || true); $$sudo apt-get update && $$sudo apt-get install --yes gcc libc6-dev; }
	@command -v cargo >/dev/null || { echo "installing Rust"; curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none; }
	@PATH="$$HOME/.cargo/bin:$$PATH" cargo fetch --locked --quiet

# Every test, of every crate.
test: setup
	cargo test --release --locked --workspace

# Three networks on generated images, every method: results/quickstart/, plots/quickstart/.
quickstart: setup
	$(ONEBASIN) run experiments/quickstart.toml

# All methods on tiny nets, in seconds.
smoke: setup
	$(ONEBASIN) run experiments/smoke.toml --results target/smoke/results --plots target/smoke/plots --store target/smoke/store

# One experiment: its spec, results/ and plots/ have the name behind `reproduce-`. PROFILE=paper has the published settings.
$(EXPERIMENTS:%=reproduce-%): reproduce-%: setup
	$(RUN) experiments/$*.toml

# C²M³, figure 7a.
reproduce-figure-7a: setup
	$(RUN) experiments/mnist-mlp.toml

# The figures of a small experiment against their committed bands. `RENEW=--renew` shows what changes and writes them anew.
GUARDED = --results target/accuracies/results --plots target/accuracies/plots --store target/accuracies/store
check-accuracies: setup
	$(ONEBASIN) run experiments/accuracies.toml $(GUARDED)
	$(ONEBASIN) check experiments/accuracies.toml --against experiments/expected/accuracies.csv $(RENEW) $(GUARDED)

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

lint: setup
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- --deny warnings

docs: setup
	RUSTDOCFLAGS="--deny warnings" cargo doc --release --locked --workspace --no-deps

# All that must hold, part by part up to the first that fails, with the seconds of each. The tests come last: their closing lines end the log.
ci:
	@for part in lint docs smoke check-accuracies test; do \
		begun=$$(date +%s); code=0; \
		CARGO_INCREMENTAL=0 $(MAKE) --no-print-directory $$part || code=$$?; \
		took="$${took:+$$took, }$$part $$(( $$(date +%s) - begun )) s"; \
		if [ $$code -ne 0 ]; then echo "ci: failed in $$part; $$took"; exit $$code; fi; \
		echo "ci: $$took"; \
	done
