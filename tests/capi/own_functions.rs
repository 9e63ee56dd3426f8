//! A program whose own functions choose the servers, while its servers fail and come back. The first character of a key, a
//! digit, is its server's number.

use std::ffi::{CString, c_char, c_int};

use memcache::capi::server::memcache_server;
use memcache::capi::{activation, many, reason, request, retrieve, store};

use super::*;
use support::wait;

unsafe extern "C-unwind" fn first_digit(
    _ctxt: *const c_void,
    _mc: *const c_void,
    key: *const c_char,
    len: usize,
) -> u32 {
    assert!(len > 0);
    // SAFETY: a hash function is called with `len` readable bytes.
    u32::from(unsafe { *key } as u8 - b'0')
}

/// As old programs find one: the next in the list that is neither down nor unknown.
unsafe extern "C-unwind" fn next_usable(_ctxt: *const c_void, mc: *mut c_void, hash: u32) -> *mut c_void {
    // SAFETY: a find function is called with a handle, whose list has so many servers.
    unsafe {
        let mc = &*mc.cast::<handle::memcache>();
        let in_order = (0..mc.num_servers).map(|n| *mc.servers.add(((hash + n) % mc.num_servers) as usize));
        let usable = |server: &*mut memcache_server| !b"dn".contains(&((**server).active as u8));
        in_order.into_iter().find(usable).map_or(std::ptr::null_mut(), <*mut memcache_server>::cast)
    }
}

unsafe extern "C-unwind" fn heard(_ctxt: *const c_void, _ectxt: *mut c_void) -> i32 {
    0
}

/// A handle of two servers, in a context of its own.
struct Session {
    ctxt: *mut context::memcache_ctxt,
    mc: *mut handle::memcache,
    servers: [Memcached; 2],
}

/// How a program stores.
#[derive(Clone, Copy, Debug)]
enum Way {
    One,
    Many,
}

impl Session {
    /// `finds`: with a find function of its own too.
    fn new(finds: bool) -> Session {
        let servers = [Memcached::start(), Memcached::start()];
        // SAFETY: the functions are what their types say; freed when the session is dropped.
        unsafe {
            let ctxt = memory::mcMemNewCtxt(Some(plain_free), Some(plain_malloc), None, Some(plain_realloc));
            (*ctxt).mcErr = Some(heard);
            (*ctxt).mcHashKey = Some(first_digit);
            if finds {
                (*ctxt).mcServerFind = Some(next_usable);
            }
            let mc = handle::mcm_new(ctxt);
            handle::mcm_timeout(ctxt, mc, 1, 0);
            for server in &servers {
                let address = CString::new(server.address()).expect("no NUL");
                assert_eq!(server_add::mcm_server_add4(ctxt, mc, address.as_ptr()), 0);
            }
            Session { ctxt, mc, servers }
        }
    }

    fn server(&self, number: usize) -> *mut memcache_server {
        // SAFETY: a live handle with two servers.
        unsafe { *(*self.mc).servers.add(number) }
    }

    fn shows(&self, number: usize) -> char {
        // SAFETY: a server of a live handle.
        char::from(unsafe { (*self.server(number)).active } as u8)
    }

    fn set(&self, key: &str, value: &str) -> c_int {
        let (key, value) = (key.as_bytes(), value.as_bytes());
        // SAFETY: a live handle, and texts of these lengths.
        unsafe {
            let (at, len) = (key.as_ptr().cast(), key.len());
            store::mcm_set(self.ctxt, self.mc, at, len, value.as_ptr().cast(), value.len(), 0, 0)
        }
    }

    /// Whether it was stored.
    fn stores(&self, way: Way, key: &str, value: &str) -> bool {
        if matches!(way, Way::One) {
            return self.set(key, value) == 0;
        }
        let mut item = many::mc_item {
            key: key.as_ptr().cast(),
            key_len: key.len(),
            value: value.as_ptr().cast_mut().cast(),
            bytes: value.len(),
            expire: 0,
            flags: 0,
            cas: 0,
            reason: 0,
        };
        // SAFETY: a live handle, and an item whose texts have these lengths.
        unsafe { many::mcm_store_many(self.ctxt, self.mc, &mut item, 1) == 1 }
    }

    fn get(&self, key: &str) -> Option<String> {
        let mut len = 0;
        // SAFETY: a live handle; what is given has that length and is freed once.
        unsafe {
            let value = retrieve::mcm_aget2(self.ctxt, self.mc, key.as_ptr().cast(), key.len(), &mut len);
            let bytes = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), len))?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            plain_free(value);
            Some(text)
        }
    }

    /// Fetches both keys in one request. The reason of the call.
    fn reason_of_both(&self, keys: [&str; 2]) -> c_int {
        // SAFETY: a live handle, and a request that is freed once.
        unsafe {
            let req = request::mcm_req_new(self.ctxt);
            for key in keys {
                assert!(!request::mcm_req_add(self.ctxt, req, key.as_ptr().cast(), key.len()).is_null());
            }
            retrieve::mcm_get(self.ctxt, self.mc, req);
            request::mcm_req_free(self.ctxt, req);
            reason::mcm_reason(self.ctxt, self.mc)
        }
    }

    /// Asks for the key until its server is up again. Nothing old is read on the way.
    fn comes_back_without(&self, key: &str, old: &str) {
        wait::until("the server shows as up again", || {
            assert_ne!(self.get(key).as_deref(), Some(old), "what was changed elsewhere meanwhile");
            (self.shows(0) == 'u').then_some(())
        });
        assert_eq!(self.get(key), None, "it was emptied");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more.
        unsafe {
            handle::mcm_free(self.ctxt, self.mc);
            memory::mcMemFreeCtxt(self.ctxt);
        }
    }
}

unsafe extern "C-unwind" fn plain_malloc(size: usize) -> *mut c_void {
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size) }
}

const UNAVAILABLE: c_int = mc_reason::MC_REASON_UNAVAILABLE as c_int;

#[test]
fn with_a_hash_of_its_own_a_server_that_failed_is_used_again() {
    let mut program = Session::new(false);
    assert_eq!((program.set("0k", "one"), program.set("1k", "one")), (0, 0));
    program.servers[0].kill();
    for _ in 0..5 {
        assert!(program.set("0k", "two") < 0, "nothing is diverted");
    }
    assert_eq!(program.servers[1].stat("total_items"), Some(1));
    assert_eq!((program.get("0k"), program.get("1k").as_deref()), (None, Some("one")));
    assert_eq!(program.reason_of_both(["0k", "1k"]), UNAVAILABLE, "one of them is not known");
    assert_eq!(program.reason_of_both(["1k", "0k"]), UNAVAILABLE, "one of them is not known");
    program.servers[0].restart();
    wait::until("it is used again", || (program.set("0k", "three") == 0).then_some(()));
    assert_eq!(program.get("0k").as_deref(), Some("three"));

    // All at once: each call fails, and then none does.
    program.servers.iter_mut().for_each(Memcached::kill);
    assert!(program.set("0k", "four") < 0 && program.set("1k", "four") < 0);
    program.servers.iter_mut().for_each(Memcached::restart);
    for key in ["0k", "1k"] {
        wait::until("both are used again", || (program.set(key, "five") == 0).then_some(()));
        assert_eq!(program.get(key).as_deref(), Some("five"));
    }
}

#[test]
fn with_a_hash_of_its_own_a_server_that_hangs_is_passed_by_by_nothing() {
    let program = Session::new(false);
    assert_eq!(program.set("0k", "old"), 0);
    program.servers[0].hang();
    assert_eq!(program.get("0k"), None);
    for _ in 0..3 {
        assert!(program.set("0k", "new") < 0, "it would be read nowhere once the server is back");
    }
    program.servers[0].wake();
    let read = wait::until("it is used again", || program.get("0k"));
    assert_eq!(read, "old", "nothing else was ever stored");
    assert_eq!(program.servers[1].stat("total_items"), Some(0));
}

#[test]
fn with_a_hash_of_its_own_a_server_that_is_out_of_use_is_passed_by_and_comes_back_empty() {
    let program = Session::new(false);
    assert_eq!(program.set("0k", "old"), 0);
    // SAFETY: a server of a live handle.
    unsafe { activation::mcm_server_deactivate(program.ctxt, program.mc, program.server(0)) };
    assert_eq!((program.set("0k", "new"), program.get("0k").as_deref()), (0, Some("new")));
    // SAFETY: as above.
    assert_eq!(unsafe { activation::mcm_server_activate(program.ctxt, program.mc, program.server(0)) }, 0);
    assert_eq!(program.get("0k"), None);
    assert_eq!((program.set("0k", "newer"), program.get("0k").as_deref()), (0, Some("newer")));
}

#[test]
fn a_find_function_that_skips_what_is_down_gets_a_server_back() {
    let mut program = Session::new(true);
    assert_eq!(program.set("0k", "one"), 0);
    program.servers[0].kill();
    assert!(program.set("0k", "two") < 0);
    assert_eq!(program.shows(0), 'd');
    assert_eq!(
        (program.set("0k", "two"), program.get("0k").as_deref()),
        (0, Some("two")),
        "it chose another"
    );
    program.servers[0].restart();
    program.comes_back_without("0k", "one");
    assert_eq!((program.set("0k", "three"), program.get("0k").as_deref()), (0, Some("three")));
    let there = program.servers[0].ask("get 0k\r\n", "END").expect("it answers");
    assert_eq!(there, ["VALUE 0k 0 5", "three", "END"]);
}

#[test]
fn a_server_that_a_find_function_passed_by_is_emptied_before_it_is_used() {
    for way in [Way::One, Way::Many] {
        let program = Session::new(true);
        assert_eq!(program.set("0k", "old"), 0);
        program.servers[0].hang();
        assert_eq!(program.get("0k"), None);
        assert_eq!(program.shows(0), 'd', "{way:?}");
        assert!(program.stores(way, "0k", "new"), "{way:?}: on the other");
        program.servers[0].wake();
        program.comes_back_without("0k", "old");
    }
}

#[test]
fn a_server_that_is_taken_back_into_use_while_it_hangs_is_emptied_before_it_is_used() {
    let program = Session::new(true);
    assert_eq!(program.set("0k", "old"), 0);
    // SAFETY: a server of a live handle.
    unsafe { activation::mcm_server_deactivate(program.ctxt, program.mc, program.server(0)) };
    assert_eq!(program.set("0k", "new"), 0, "on the other");
    program.servers[0].hang();
    // SAFETY: as above.
    assert_eq!(unsafe { activation::mcm_server_activate(program.ctxt, program.mc, program.server(0)) }, 0);
    program.servers[0].wake();
    program.comes_back_without("0k", "old");
}
