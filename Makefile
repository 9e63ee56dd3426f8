# Everything that can be done with this repository. `make help` lists it.

PREFIX  = /usr/local
DESTDIR =

CARGO   = cargo
INSTALL = install
TARGET := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME  = libmemcache.so.0
# Every test program but the simulator, which has a step of its own and is slow when not optimised, and the bench's
# counts, which say nothing when not optimised.
TESTS := $(filter-out simulation bench_counts,$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)) \
                                 $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))

# Where an installation goes, below DESTDIR. On a multiarch system: LIBDIR=/usr/lib/x86_64-linux-gnu.
LIBDIR     = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
MANDIR     = $(PREFIX)/share/man
BINDIR     = $(PREFIX)/bin
SBINDIR    = $(PREFIX)/sbin
UNITDIR    = $(PREFIX)/lib/systemd/system
DOCDIR     = $(PREFIX)/share/doc/libmemcache
ZSHDIR     = $(PREFIX)/share/zsh/site-functions
# `make deb` leaves its packages here.
DEBS       = $(TARGET)/deb
# The programs are built apart from the library (see [profile.programs] in Cargo.toml).
BUILT      = BUILT='$(TARGET)/release' PROGRAMS='$(TARGET)/programs'
PYTHON     = BUILT='$(abspath $(TARGET))/release' PROGRAMS='$(abspath $(TARGET))/programs' scripts/python '$(abspath $(TARGET))/python'
PHP        = VERSION='$(VERSION)' SONAME='$(SONAME)' BUILT='$(abspath $(TARGET))/release' \
             PROGRAMS='$(abspath $(TARGET))/programs' scripts/php '$(abspath $(TARGET))/php'
# `make dist` leaves its packages here.
DIST       = $(TARGET)/dist
PLACES     = VERSION='$(VERSION)' SONAME='$(SONAME)' $(BUILT) DESTDIR='$(DESTDIR)' \
             PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' INCLUDEDIR='$(INCLUDEDIR)' MANDIR='$(MANDIR)' \
             BINDIR='$(BINDIR)' SBINDIR='$(SBINDIR)' UNITDIR='$(UNITDIR)' DOCDIR='$(DOCDIR)' \
             ZSHDIR='$(ZSHDIR)'
# The loader learns of libraries by root's hand only, from where root looks for programs.
RELINK     = if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" -eq 0 ]; then PATH="$$PATH:/usr/sbin:/sbin" ldconfig; fi

.PHONY: all library programs demo check format lints tests counts sim sim-share soak loom miri tsan asan fuzz fuzz-keep hostile units trial deny peers \
        bench bench-library bench-growth bench-rules bench-uring bench-fleet bench-sweep bench-proxy bench-python bench-php \
        install uninstall deb wheel dist dist-php python php \
        man clean help need-build need-demo need-fuzz need-lints need-tests need-check need-python need-php

## all:       builds library and programs: target/release/libmemcache.so and libmemcache.a, target/programs/memcache*
all: library programs

library: need-build
	$(CARGO) build --locked --release --lib

programs: need-build
	$(CARGO) build --locked --profile programs --features programs --bins

## demo:      eight memcacheds, one dies and comes back: prints what a C program sees of it
demo: need-demo
	$(CARGO) build --locked --release --example demo
	@exec $(TARGET)/release/examples/demo

## check:     every check there is; the last line says how it went
check: need-check
	@MAKE='$(MAKE)' exec scripts/check format lints tests counts sim-share python php

## format:    (part of check) the sources are formatted
format: need-lints
	$(CARGO) fmt --check

## lints:     (part of check) the compiler and clippy have nothing to say
lints: need-lints
	$(CARGO) clippy --locked --all-targets --features programs -- -D warnings
	$(CARGO) clippy --locked --lib -- -D warnings

## tests:     (part of check) unit tests, C programs, the installed files, the drill on real servers
tests: need-tests
	$(CARGO) build --locked --features programs --lib --example demo
	$(CARGO) test --locked --features programs --no-fail-fast --lib $(addprefix --test ,$(TESTS))

## python:    (part of check) the Python package: types, tests with Django and Flask on real servers
python: need-python library programs
	@$(PYTHON) check

## php:       (part of check) the PHP extension: every call, sessions, valgrind, a site whose servers die; LMC_LEAK_CALLS=1000000
php: need-php library programs
	@$(PHP) check

## counts:    (part of check) instructions, system calls and allocations of a call are no more than they were
counts: need-tests
	$(CARGO) test --locked --release --test bench_counts --bench rules

## sim:       simulated worlds on a virtual clock: 1,000,000 with one failure at a time and as many with overlapping ones, and
##            more of several processes, a daemon and sweeps. Others: SIM_SEED=7 SIM_WORLDS=1000 SHARED_SEED=7 SHARED_WORLDS=1000
sim: SIM_WORLDS    ?= 2000000
sim: SHARED_WORLDS ?= 100000
sim: need-build
	SIM_WORLDS=$(SIM_WORLDS) SHARED_WORLDS=$(SHARED_WORLDS) \
	    $(CARGO) test --locked --release --test simulation -- --nocapture by_seed

## sim-share: (part of check) a share of them, every small world, all interleavings of two machines, planted faults
sim-share: need-build
	$(CARGO) test --locked --release --test simulation -- --nocapture

## soak:      eight servers restarted one after another under load, then whatever can happen by chance, then that through
##            proxies which are killed too, SOAK_MINUTES (20) each; prints seed (EXACT_SEED chooses one) and figures,
##            and ends at the first answer that is wrong, or when descriptors, memory or threads of a process grow
##            without bound; draws these: target/soak-*.svg. Some clients and a proxy live as long as each of them
soak: need-demo
	SOAK_MINUTES='$(or $(SOAK_MINUTES),20)' $(CARGO) test --locked --profile programs --features programs --test exact -- \
	    --nocapture --test-threads=1 rolling:: chaos::one_failure through::servers_and

## fuzz:      random bytes for all that reads foreign ones, a minute each (nightly Rust, cargo-fuzz); FUZZ_SECONDS=600
FUZZ_SECONDS = 60
FUZZED = client_bytes server_bytes pool_file c_calls table table_file stripes datagram key_list
# What a fuzzer begins with: inputs as they should be, and what was kept of earlier ones.
FUZZ_SEEDS = HOSTILE_SEEDS='$(CURDIR)/fuzz/corpus' HOSTILE_ROUNDS=0 \
             $(CARGO) test --locked --features programs --test hostile_bytes -- changed lie found_before
fuzz: need-fuzz
	$(FUZZ_SEEDS)
	for target in $(FUZZED); do \
	    cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=30 -print_final_stats=1 || exit 1; done

## fuzz-keep: what `make fuzz` found worth keeping, with what was kept before, goes to fuzz/kept: some of every length;
##            `make check` goes through that
fuzz-keep: need-fuzz
	$(FUZZ_SEEDS)
	for target in $(FUZZED); do cargo +nightly fuzz cmin $$target || exit 1; done
	@mkdir -p fuzz/kept
	HOSTILE_KEEP='$(CURDIR)/fuzz/corpus' $(CARGO) test --locked --features programs --test hostile_bytes what_was_found_before

## loom:      every order of loads and stores in the shared table, its stripes and journals that the memory
##            model allows; built with --cfg loom, in target/loom
loom: need-build
	CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS='--cfg loom' \
	    $(CARGO) test --locked --release --target-dir '$(TARGET)/loom' --test table_loom

## miri:      rules, table and the pointers of the C interface under Miri, which sees undefined behaviour (nightly, minutes)
# What takes it hours is left out: searches through all bits, all tags, all of a large list. It has no unix sockets.
MIRI = capi:: buffers_that requests_with texts_hashes table:: rules::bytes \
       --skip flipped_bit --skip tags_come_around --skip socket_file
miri: need-build
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo 'rustup component add miri rust-src --toolchain nightly' >&2; exit 1; }
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=3 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 \
	    cargo +nightly miri test --locked --target-dir '$(TARGET)/miri' --lib --test capi_pointers -- $(MIRI)

## tsan:      the proxy, the daemon, and what the clients of one process share, under ThreadSanitizer (nightly with rust-src)
tsan: need-demo
	@scripts/tsan '$(abspath $(TARGET))/tsan'

## asan:      what was kept of `make fuzz` and what lies in fuzz/corpus, C calls too, under AddressSanitizer and LeakSanitizer (nightly Rust, cargo-fuzz)
asan: need-fuzz
	$(FUZZ_SEEDS)
	for target in $(FUZZED); do cargo +nightly fuzz run $$target -- -runs=0 || exit 1; done

## units:     what systemd says of the units: the exposure of each, and whether they forbid what the daemons call
units: need-build
	@scripts/need systemd-analyze:systemd strace:strace memcached:memcached
	$(CARGO) test --locked --features programs --test examples -- --nocapture units::

## trial:     a newcomer's first hour on an empty Debian: make demo, then C, daemon, Python, PHP and proxy as the pages say; how
##            long each takes (root; ten minutes, 4 GB; the last commit)
trial: need-build
	@scripts/need debootstrap:debootstrap systemd-nspawn:systemd-container slirp4netns:slirp4netns
	@scripts/trial '$(abspath $(TARGET))/trial'

## deny:      licences, sources, duplicates and advisories of every crate (cargo-deny, which is installed if missing)
deny: need-build
	@cargo deny --version >/dev/null 2>&1 || nice $(CARGO) install --locked cargo-deny
	@scripts/deny

## hostile:   every operation against a server that lies, floods, hangs and closes, in every role (ten minutes; a share is part of check)
hostile: need-demo
	HOSTILE_FULL=1 $(CARGO) test --locked --features programs --test hostile -- --nocapture

## peers:     PHP's, Python's and libmemcached's programs through memcache-proxy; installs them. PEERS="--help"
peers: need-demo programs
	@scripts/peers '$(TARGET)/peers' --proxy '$(abspath $(TARGET))/programs/memcache-proxy' $(PEERS)

## bench:     everything that is compared with others, one after another; says where the figures are
# What else belongs to it; a bench that writes target/bench-NAME.json is told of at the end.
BENCHES = bench-library bench-growth bench-rules bench-proxy bench-python bench-php
bench:
	@for each in $(BENCHES); do echo "==== $$each"; $(MAKE) --no-print-directory $$each || exit 1; done
	@echo 'bench: for programs:'; ls -1 '$(TARGET)'/bench.json '$(TARGET)'/bench-*.json 2>/dev/null || true

## bench-library: the same work through this library, libmemcached and bare sockets; LIBRARY="--rounds 5 --no-counts"
bench-library: need-demo library
	@scripts/need strace:strace 'valgrind:valgrind libc6-dbg' \
	    /usr/include/libmemcached/memcached.h:libmemcached-dev
	$(CARGO) bench --locked --bench library -- --json '$(abspath $(TARGET))/bench.json' $(LIBRARY)

## bench-growth: how a get grows with its keys, the servers, the value and the processes; draws target/bench-growth.svg
bench-growth: need-demo library
	@scripts/need /usr/include/libmemcached/memcached.h:libmemcached-dev
	$(CARGO) bench --locked --bench library -- --growth --rounds 3 --seconds 0.05 \
	    --json '$(abspath $(TARGET))/bench-growth.json' --svg '$(abspath $(TARGET))/bench-growth.svg' $(GROWTH)

## bench-uring: whether io_uring would serve many servers' sockets sooner; see docs/speed.md; URING="--servers 8"
bench-uring: need-demo
	$(CARGO) bench --locked --bench uring -- $(URING)

## bench-rules: placement, a look at the shared table and answers read off bytes, alone; RULES="--help"
bench-rules: need-build
	$(CARGO) bench --locked --bench rules -- $(RULES)

## bench-fleet: 64 processes on eight servers of which one dies, with and without memcache-watchd; FLEET="--help"
bench-fleet: need-demo library programs
	$(CARGO) bench --locked --bench fleet -- --watchd '$(TARGET)/programs/memcache-watchd' \
	    --json '$(TARGET)/bench-fleet.json' $(FLEET)

## bench-sweep: how fast a sweep is, and what a server under load notices of it; SWEEP="--keys 100000"
bench-sweep: need-demo programs
	$(CARGO) bench --locked --bench sweep -- --watchd '$(TARGET)/programs/memcache-watchd' $(SWEEP)

## bench-proxy: requests through memcached, nutcracker and memcache-proxy side by side; PROXY="--help"
bench-proxy: need-demo programs
	@scripts/need nutcracker:nutcracker strace:strace
	$(CARGO) bench --locked --profile programs --bench proxy -- --proxy '$(abspath $(TARGET))/programs/memcache-proxy' \
	    --json '$(abspath $(TARGET))/bench-proxy.json' $(PROXY)

## bench-python: get, set and 100 keys by the Python package, pylibmc, libmc and pymemcache; BENCH_PYTHON="--help"
bench-python: need-python library
	@$(PYTHON) bench $(BENCH_PYTHON)

## bench-php: get, set and 100 keys by the PHP extension beside php-memcached; BENCH_PHP="SECONDS ROUNDS"
bench-php: need-php library
	@$(PHP) bench $(BENCH_PHP)

## install:   puts library, headers, manual and programs below DESTDIR/PREFIX (PREFIX is /usr/local unless given)
install:
	@if command -v $(CARGO) >/dev/null; then $(MAKE) --no-print-directory all; \
	else test -e '$(TARGET)/release/libmemcache.so' -a -e '$(TARGET)/programs/memcache-watchd' || \
	    { echo 'build it first: make all' >&2; exit 1; }; fi
	@$(PLACES) scripts/install
	@$(RELINK)
	@echo "installed libmemcache $(VERSION) below $(DESTDIR)$(PREFIX)"

## uninstall: removes what install put there
uninstall:
	@$(PLACES) scripts/uninstall
	@$(RELINK)

## deb:       builds Debian packages: libmemcache0, libmemcache-dev, libmemcache-tools
deb: all
	@scripts/need dpkg-shlibdeps:dpkg-dev strip:binutils
	@VERSION='$(VERSION)' SONAME='$(SONAME)' $(BUILT) packaging/deb '$(DEBS)'

## wheel:     builds the Python package: target/wheel/libmemcache-*.whl, which contains the library, and its sources
wheel: need-python library
	@$(PYTHON) dist '$(abspath $(TARGET))/wheel'

## dist:      every package there is: deb, wheel, dist-php
dist: deb wheel dist-php

## dist-php:  (part of dist) a PECL package of the PHP extension's sources, and a Debian package
dist-php: need-php library
	@$(PHP) dist '$(DIST)'

## man:       makes the manual's pages anew, from the headers and man/src
man: need-build
	UPDATE_MAN=1 $(CARGO) test --locked --test man

## clean:     removes what was built
clean:
	$(CARGO) clean

## help:      this list
help:
	@sed -n 's/^## /  make /p' Makefile

need-build:
	@scripts/need cargo cc:build-essential
need-demo: need-build
	@scripts/need memcached:memcached
need-fuzz: need-build
	@cargo +nightly fuzz --version >/dev/null 2>&1 || { echo 'rustup toolchain install nightly; cargo install cargo-fuzz' >&2; exit 1; }
need-lints: need-build
	@scripts/need rust:rustfmt rust:clippy
need-tests: need-demo
	@scripts/need c++:g++ readelf:binutils strace:strace \
	    /usr/include/libmemcached/memcached.h:libmemcached-dev \
	    'valgrind:valgrind libc6-dbg' \
	    man:man-db pkg-config:pkg-config dpkg-shlibdeps:dpkg-dev \
	    nutcracker:nutcracker systemd-analyze:systemd setpriv:util-linux
need-check: need-lints need-tests
need-python: need-demo
	@scripts/need /usr/bin/python3:python3 /usr/share/doc/python3-venv:python3-venv /usr/share/doc/python3-dev:python3-dev \
	    /usr/include/libmemcached/memcached.h:libmemcached-dev pkg-config:pkg-config setpriv:util-linux
need-php: need-demo
	@scripts/need php:php-cli phpize:php-dev /usr/share/doc/php-memcached:php-memcached /usr/bin/python3:python3 \
	    'valgrind:valgrind libc6-dbg' setpriv:util-linux \
	    dpkg-shlibdeps:dpkg-dev readelf:binutils
