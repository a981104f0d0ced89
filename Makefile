# The two commands of the README are `make demo` and `make test`; the rest are their parts.
SHELL = /bin/bash
.SHELLFLAGS = -eo pipefail -c
SWIFT_BUILD = swift build -c release --build-tests

.PHONY: all setup build canister demo test check conformance kill page-test bench load clean

all: build canister

setup:
	@scripts/setup.sh

# One configuration for tools and tests, so that nothing is compiled twice.
build: setup
	@$(SWIFT_BUILD)

canister:
	@scripts/build-canister.sh

# Without what only the tests need.
demo: setup
	@swift build -c release --product deai-train
	@scripts/build-canister.sh canister
	@scripts/demo.sh

test: check conformance page-test

# Everything that needs no network.
check: build canister
	@scripts/check-embedded.sh
	@scripts/check-kernels.sh
	swift test -c release --skip-build --disable-testable-imports 2>&1 | grep -vE '^(◇|✔ Test (case|[a-zA-Z0-9_"]+\())'
	@scripts/end-to-end.sh

# Public Internet Computer clients and the scenario list, through HTTP; installs the clients with pip.
conformance: build
	@scripts/conformance.sh

# The emulator killed at INSTANTS random instants under a load of updates; `make check` has 20.
INSTANTS = 100
kill: build
	DEAI_KILL_INSTANTS=$(INSTANTS) swift test -c release --skip-build --disable-testable-imports --filter KillTests

# The canister's page in headless Chromium; installs Debian's chromium.
page-test: build canister
	@scripts/page-test.sh

bench: build
	@scripts/bench.sh

# Queries and updates a second of the emulator through HTTP, with wrk; the classify rows want `make demo` first.
load: build
	@scripts/load.sh

clean:
	rm -rf .build build
