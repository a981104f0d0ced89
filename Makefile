# The two commands of the README are `make demo` and `make test`; the rest are their parts.
SWIFT_BUILD = swift build -c release --build-tests

.PHONY: all setup build canister demo test bench clean

all: build canister

setup:
	@scripts/setup.sh

# One configuration for tools and tests, so that nothing is compiled twice.
build: setup
	@$(SWIFT_BUILD)

canister:
	@scripts/build-canister.sh

demo: build canister
	@scripts/demo.sh

test: build canister
	@scripts/check-embedded.sh
	swift test -c release --skip-build --disable-testable-imports --parallel
	@scripts/end-to-end.sh

bench: build
	@scripts/bench.sh

clean:
	rm -rf .build build
