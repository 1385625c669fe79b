# Everything a user or a developer types. `make lab` and `make test` install what is missing by themselves.
BUILD := build/release
export NINJA_STATUS := [%f/%t %es] 

.PHONY: lab test up build deps sanitize bench compare chaos fuzz format clean

## The order-processing lab: installs, builds, starts the suite in a fresh folder and walks an order through it.
lab: build
	$(BUILD)/bin/weir lab

## All tests, sanitizers included.
test: build sanitize
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error

## All services on 127.0.0.1, with a private PostgreSQL under ./.weir.
up: build
	$(BUILD)/bin/weir up

build: deps
	@[ -e $(BUILD)/build.ninja ] || echo "Configuring …"
	@cmake --preset release -Wno-dev >$(BUILD)/configure.log 2>&1 || (cat $(BUILD)/configure.log; exit 1)
	@cmake --build $(BUILD)

deps:
	@tools/install-deps
	@mkdir -p $(BUILD)

## Unit tests under ASan+UBSan and under TSan.
sanitize: deps
	@tools/sanitize asan
	@tools/sanitize tsan

## Weir beside the SKIP LOCKED table, on the same private PostgreSQL.
bench: build
	bench/compare.sh

## Weir beside the table, RabbitMQ, JetStream, Redis streams and beanstalkd. Installs them; COMPARE=--publish puts the figures into docs/.
compare:
	@tools/install-deps --peers
	@mkdir -p $(BUILD)
	@cmake --preset release -Wno-dev >$(BUILD)/configure.log 2>&1 || (cat $(BUILD)/configure.log; exit 1)
	@cmake --build $(BUILD) --target weir weir-bench weir-bench-peers
	bench/compare.py $(COMPARE)

## Breaks a cluster under load for MINUTES, from SEED or a new one; docs/testing.md.
MINUTES := 10
chaos: build
	$(BUILD)/bin/weir-chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

## Fuzzes the parsers, each for FUZZ_SECONDS; docs/testing.md. Installs clang.
FUZZ_SECONDS := 60
fuzz: deps
	@tools/install-deps --fuzz
	@tools/fuzz $(FUZZ_SECONDS)

format:
	git ls-files '*.h' '*.cc' | xargs clang-format -i

clean:
	rm -rf build
