# `make run` and `make test` do all their own set-up on a machine that has Rust, Python 3 and Node.

PORT ?= 8080
ARGS ?=

.PHONY: help run demo build setup lint test test-code test-rust test-shell test-clients test-browser test-upgrade test-redis conformance mutants fuzz coverage soak churn bomb stalls crashes upgrades redis-faults bench

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## serve on http://localhost:8080, with messages kept in target/data (PORT=9000 and ARGS="-v --bind 127.0.0.1" change that)
	target/release/parlor --port $(PORT) --data target/data $(ARGS)

demo: build ## serve a plant that sends values and alarms, and say where its board is (SENSORS=50 HZ=20 scale it)
	PORT=$(PORT) SENSORS=$(SENSORS) HZ=$(HZ) python3 tests/demo/plant.py

build: ## build the release binaries
	cargo build --release --all-features

setup: ## install what the tests need
	tests/setup.sh

test: setup ## check and test everything
	$(MAKE) -j2 --output-sync=target test-code build
	$(MAKE) -j2 --output-sync=target test-browser test-shell test-redis test-upgrade conformance test-clients

test-code: ## lint, then test-rust: both build into the same folder
	$(MAKE) lint
	$(MAKE) test-rust

lint: ## formatting, clippy and documentation, warnings being errors
	cargo fmt --check
	cargo metadata --locked --format-version 1 --manifest-path tests/fuzz/Cargo.toml >/dev/null
	cargo clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --all-features

test-rust: ## unit, property, simulation and integration tests
	cargo test --all-features

test-shell: setup build ## nc, websocat and curl as people run them, webhooks, push, HAProxy in front, the commands and links of the manual, these targets, the binary's size, systemd, disks that fail, a few crashes
	python3 tests/doors.py
	python3 tests/hooks.py
	/usr/bin/python3 tests/push/run.py
	python3 tests/proxies.py
	python3 tests/manual.py
	python3 tests/links.py
	python3 tests/targets.py
	python3 tests/size.py
	python3 tests/systemd.py
	python3 tests/durability/trust.py
	python3 tests/durability/failures.py
	python3 tests/durability/transfer.py
	python3 tests/durability/crashes.py 8 12

test-clients: setup build ## clients in Python and JavaScript at the JSON door, readers of the stream of events, and five libraries in four languages
	target/clients/bin/python tests/clients/clients.py
	cd tests/clients && npm ci --no-audit --no-fund && npm test
	target/clients/bin/python tests/clients/libraries.py

test-browser: setup build ## the page in Chromium, and what it is for in Firefox and WebKit too
	cd tests/browser && npm ci --no-audit --no-fund && node --test --test-concurrency=1 --test-reporter=tap

test-upgrade: build ## a new binary takes over while clients at every door are connected, fails to, and does so 20 times under load
	python3 tests/upgrade/run.py

test-redis: setup build ## several nodes on real Redis: people at every door, and Redis, the network and nodes that fail
	python3 tests/redis/run.py

conformance: build ## the Autobahn test suite: 517 cases of RFC 6455 and of compression, RFC 7692
	tests/autobahn/setup.sh
	python3 tests/autobahn/conformance.py

mutants: ## plant bugs in the core and see that the simulation catches each
	python3 tests/mutation/run.py

fuzz: ## fuzz what takes bytes from strangers, 20 seconds each (SECONDS=600 changes that)
	python3 tests/fuzz/run.py $(or $(SECONDS),20)

coverage: ## the lines of the codecs that unit tests and the fuzzer's corpus reach
	python3 tests/coverage.py

soak: ## run the simulation on new seeds until stopped
	PARLOR_SOAK=0 cargo test --release --all-features --test simulation -- --nocapture soak

churn: build ## clients of every kind come and go for a minute (SECONDS=600 changes that); draws target/soak.svg
	python3 tests/soak.py $(or $(SECONDS),60)

bomb: build ## send 1,000 compressed bombs (COUNT=100 changes that) and look at the memory after each; draws target/bench/bomb.svg
	python3 tests/bench/bomb.py $(or $(COUNT),1000)

stalls: build ## attack the server, and say how long a healthy pair waits meanwhile (VS=path/to/parlor attacks another one, too)
	python3 tests/stalls/probe.py $(if $(VS),--vs $(VS))

crashes: build ## kill the server 300 times and cut the power 300 times while clients talk, and see what is lost (KILLS=30 CUTS=30 changes that)
	python3 tests/durability/crashes.py $(or $(KILLS),300) $(or $(CUTS),300)

upgrades: build ## upgrade a server with 10,000 clients five times, and say what they noticed (CONNECTIONS=1000 UPGRADES=20 changes that)
	python3 tests/bench/upgrade.py $(or $(CONNECTIONS),10000) $(or $(UPGRADES),5)

redis-faults: build ## three nodes on Redis and random faults, ten runs of each kind, and a table of what was lost, doubled or out of order (RUNS=100 SEED=11 change that)
	python3 tests/redis/faults.py $(or $(RUNS),10) $(or $(SEED),1)

bench: ## measure against the floor and against other servers
	python3 tests/bench/matrix.py
