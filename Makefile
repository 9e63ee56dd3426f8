# Everything that can be done with this repository. `make help` lists it.

PREFIX  = /usr/local
DESTDIR =

CARGO   = cargo
INSTALL = install
TARGET := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME  = libmemcache.so.0
# Every test program but the simulator, which has a step of its own and is slow when not optimised.
TESTS := $(filter-out simulation,$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)) \
                                 $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))
LIBDIR  = $(DESTDIR)$(PREFIX)/lib
INCLUDE = $(DESTDIR)$(PREFIX)/include

.PHONY: all demo check format lints tests sim install uninstall clean help need-build need-demo need-check

## all:       builds the library: target/release/libmemcache.so and libmemcache.a
all: need-build
	$(CARGO) build --locked --release --lib

## demo:      eight memcacheds, one dies and comes back: prints what a C program sees of it
demo: need-demo
	$(CARGO) build --locked --release --example demo
	@exec $(TARGET)/release/examples/demo

## check:     every check there is; the last line says how it went
check: need-check
	@MAKE='$(MAKE)' exec scripts/check format lints tests sim

## format:    (part of check) the sources are formatted
format:
	$(CARGO) fmt --check

## lints:     (part of check) the compiler and clippy have nothing to say
lints:
	$(CARGO) clippy --locked --all-targets -- -D warnings

## tests:     (part of check) unit tests, C programs, the installed files, the drill on real servers
tests:
	$(CARGO) test --locked --lib --example demo $(addprefix --test ,$(TESTS))

## sim:       (part of check) simulated worlds: crashes, cuts, late answers, on a virtual clock
sim:
	$(CARGO) test --locked --release --test simulation -- --nocapture

## install:   puts the library and its headers below DESTDIR/PREFIX (PREFIX is /usr/local unless given)
install:
	@if command -v $(CARGO) >/dev/null; then $(MAKE) --no-print-directory all; \
	else test -e $(TARGET)/release/libmemcache.so || { echo 'build it first: make all' >&2; exit 1; }; fi
	$(INSTALL) -d '$(LIBDIR)/pkgconfig' '$(INCLUDE)/memcache'
	$(INSTALL) -m 755 $(TARGET)/release/libmemcache.so '$(LIBDIR)/libmemcache.so.$(VERSION)'
	ln -sf libmemcache.so.$(VERSION) '$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(LIBDIR)/libmemcache.so'
	$(INSTALL) -m 644 $(TARGET)/release/libmemcache.a '$(LIBDIR)/libmemcache.a'
	$(INSTALL) -m 644 include/memcache.h '$(INCLUDE)/memcache.h'
	$(INSTALL) -m 644 include/memcache/*.h '$(INCLUDE)/memcache'
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/libmemcache.pc.in \
	    >'$(LIBDIR)/pkgconfig/libmemcache.pc'
	chmod 644 '$(LIBDIR)/pkgconfig/libmemcache.pc'
	@if [ -z '$(DESTDIR)' ]; then ldconfig; fi
	@echo "installed libmemcache $(VERSION) below $(DESTDIR)$(PREFIX)"

## uninstall: removes what install put there
uninstall:
	rm -f '$(LIBDIR)/libmemcache.so' '$(LIBDIR)/$(SONAME)' '$(LIBDIR)/libmemcache.so.$(VERSION)'
	rm -f '$(LIBDIR)/libmemcache.a' '$(LIBDIR)/pkgconfig/libmemcache.pc' '$(INCLUDE)/memcache.h'
	rm -f '$(INCLUDE)/memcache/buffer.h' '$(INCLUDE)/memcache/_buffer.h'
	@rmdir '$(INCLUDE)/memcache' 2>/dev/null || true

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
need-check: need-demo
	@scripts/need rust:rustfmt rust:clippy readelf:binutils strace:strace \
	    'valgrind:valgrind libc6-dbg'
