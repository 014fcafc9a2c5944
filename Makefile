# bourn: what people type. The build itself is meson and ninja; this file only calls them.
#
#   make              build build/bourn (installing what is missing, see tools/deps)
#   make run          the payments pipeline on its own generator: FOR=30 seconds, EXAMPLE=payments
#                     (EXAMPLE=transactions; EXAMPLE=nexmark Q=5; make clean-run between two different ones)
#   make test         install what the tests need, build, run everything
#   make check        the inner loop: unit and SQL tests, below a minute
#   make torture      the crash tests, and Nexmark killed in every way, the long way
#   make fuzz         the fuzzers, FUZZ_SECONDS=3600 each
#   make bench        the figures of docs/benchmarks.md; Q=5 one query of Nexmark
#   make clean-run    forget what `make run` wrote: only folders that bourn marked as its own
#   make clean        remove build/
#   make install      PREFIX=/usr/local DESTDIR=

BUILD   ?= build
FOR     ?= 30
EXAMPLE ?= payments
PREFIX  ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 3600

.PHONY: all program run test check torture fuzz bench clean-run clean install build-deps test-deps bench-deps
.DEFAULT_GOAL := all

all: program

program: build-deps $(BUILD)/build.ninja
	@said=$$(ninja -C $(BUILD) --quiet bourn 2>&1) || { echo "$$said"; exit 1; }

# Only where there is no build folder yet: ninja itself notices changed meson files. meson talks at length, so its words
# are shown only when it fails.
$(BUILD)/build.ninja: | build-deps
	@said=$$(meson setup $(BUILD) 2>&1) || { echo "$$said"; exit 1; }

build-deps:
	@tools/deps build

test-deps:
	@tools/deps build test

run: program
	@BOURN=$(BUILD)/bourn tools/run-example "$(EXAMPLE)" "$(FOR)"

test: test-deps
	@tests/run

check: test-deps
	@tests/run unit sql

torture: test-deps
	@BOURN_LONG=1 tests/run crash nexmark

fuzz: test-deps
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz

bench-deps:
	@tools/deps build test bench

bench: bench-deps program
	@bench/run

clean-run:
	@tools/clean-run

clean:
	rm -rf $(BUILD)

install: program
	@DESTDIR="$(DESTDIR)" tools/install "$(BUILD)" "$(PREFIX)"
