//! Once warm, the new calls on one key allocate nothing of their own. A program of its own, because the
//! allocator that counts serves a whole program; what C allocates is not counted.

mod support;

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use memcache::capi::count64::mc_incr64;
use memcache::capi::fetch::mc_fetch_into;
use memcache::capi::keep::{mc_remove, mc_store};
use memcache::capi::memcache::{mc_free, mc_new};
use memcache::capi::options::mc_option_set;
use memcache::capi::reason::mc_reason::*;
use memcache::capi::server_add::mc_server_add4;
use support::counting;
use support::server::Memcached;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// How many allocations the calls make on a key, once warm.
fn allocations(backups: &CStr, servers: &[Memcached], key: &[u8]) -> usize {
    let (at, len) = (key.as_ptr().cast::<c_char>(), key.len());
    // SAFETY: live texts, variables and handle, freed once.
    unsafe {
        let mc = mc_new();
        for server in servers {
            let address = CString::new(server.address()).expect("an address has no NUL");
            assert_eq!(mc_server_add4(mc, address.as_ptr()), 0);
        }
        assert_eq!(mc_option_set(mc, c"timeout".as_ptr(), c"60s".as_ptr()), 0);
        assert_eq!(mc_option_set(mc, c"connect_timeout".as_ptr(), c"20s".as_ptr()), 0);
        assert_eq!(mc_option_set(mc, c"backups".as_ptr(), backups.as_ptr()), 0);
        let round = || {
            let (mut buf, mut bytes, mut flags, mut cas, mut number) = ([0u8; 8], 0, 0, 0, 0);
            let stored = mc_store(mc, at, len, c"41".as_ptr().cast(), 2, 0, 7);
            assert_eq!(stored, MC_REASON_STORED as i32);
            assert_eq!(mc_incr64(mc, at, len, 1, &mut number), MC_REASON_NUMBER as i32);
            assert_eq!(number, 42);
            let into = buf.as_mut_ptr().cast();
            let hit = mc_fetch_into(mc, at, len, into, 8, &mut bytes, &mut flags, &mut cas);
            assert_eq!((hit, bytes, flags), (MC_REASON_HIT as i32, 2, 7));
            assert!(&buf[..2] == b"42" && cas != 0);
            let none = ptr::null_mut();
            assert_eq!(mc_fetch_into(mc, at, len, into, 8, &mut bytes, &mut flags, none), hit);
            assert_eq!(mc_remove(mc, at, len), MC_REASON_DELETED as i32);
            assert_eq!(mc_remove(mc, at, len), MC_REASON_NOT_FOUND as i32);
        };
        round();
        round();
        let before = counting::count();
        for _ in 0..100 {
            round();
        }
        let count = counting::count() - before;
        mc_free(mc);
        count
    }
}

#[test]
fn a_warm_call_allocates_nothing() {
    let servers = [Memcached::start(), Memcached::start()];
    for key in [&[b'k'; 250][..], b"key", b"a b\0\n"] {
        assert_eq!(allocations(c"none", &servers, key), 0, "without backups: {}", key.escape_ascii());
        assert_eq!(allocations(c"pairs", &servers, key), 0, "with backups: {}", key.escape_ascii());
    }
}
