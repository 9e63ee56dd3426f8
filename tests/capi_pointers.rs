//! The pointers of the C interface where no server is asked: lists, requests, buffers, texts, contexts. Small, so that
//! Miri can run it (`make miri`): it sees every access outside of what a pointer may reach, and every leak.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;

use memcache::capi::context::memcache_ctxt;
use memcache::capi::{
    buffer, buffer_search, buffer_size, error, error_filter, hash, memory, request, response, server, text,
};

unsafe extern "C-unwind" fn give(size: usize) -> *mut c_void {
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size) }
}

unsafe extern "C-unwind" fn give_more(memory: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: NULL, or what malloc gave.
    unsafe { libc::realloc(memory, size) }
}

unsafe extern "C-unwind" fn take(memory: *mut c_void) {
    // SAFETY: NULL, or what malloc gave.
    unsafe { libc::free(memory) }
}

unsafe extern "C-unwind" fn hear(_: *const c_void, ectxt: *mut c_void) -> i32 {
    // SAFETY: what every handler is given; `misc` is a counter of the test's.
    unsafe {
        let said = &*ectxt.cast::<error::memcache_err_ctxt>();
        *said.misc.cast::<u32>() += 1;
        assert!(said.errmsg.is_null() || CStr::from_ptr(said.errmsg).count_bytes() == said.errlen);
    }
    0
}

/// Runs something in a context whose errors are counted; how many there were.
fn within(what: impl FnOnce(*mut memcache_ctxt)) -> u32 {
    let mut count = 0u32;
    // SAFETY: a context that lives to the end, and a counter that does too.
    unsafe {
        let ctxt = memory::mcMemNewCtxt(Some(take), Some(give), None, Some(give_more));
        assert_eq!(error::mcErrSetupCtxt(ctxt, Some(hear)), 0);
        error_filter::mcm_err_filter_del(ctxt, 31);
        (*(*ctxt).ectxt).misc = (&raw mut count).cast();
        what(ctxt);
        memory::mcMemFreeCtxt(ctxt);
    }
    count
}

#[test]
fn requests_with_responses_that_come_and_go() {
    let errors = within(|ctxt| {
        // SAFETY: live structs, each freed once, and keys that outlive them.
        unsafe {
            let req = request::mcm_req_new(ctxt);
            let keys = [c"one", c"two", c"three", c"two"];
            let all = keys.map(|key| request::mcm_req_add(ctxt, req, key.as_ptr(), key.count_bytes()));
            let lent = request::mcm_req_add_ref(ctxt, req, keys[0].as_ptr(), 3);
            assert!((*req).num_keys == 5 && (*lent).key.cast_const() == keys[0].as_ptr());
            response::mcm_res_free(ctxt, req, all[1]); // in the middle
            response::mcm_res_free(ctxt, req, all[0]); // the first
            response::mcm_res_free(ctxt, req, lent); // the last
            (*all[2]).val = give(9);
            response::mcm_res_free_on_delete(ctxt, all[2], 1);
            assert_eq!((response::mcm_res_found(ctxt, all[3]), (*req).num_keys), (0, 2));
            request::mcm_req_free(ctxt, req);
        }
    });
    assert_eq!(errors, 0);
}

#[test]
fn buffers_that_grow_out_of_themselves() {
    let errors = within(|ctxt| {
        // SAFETY: live buffers, each freed once.
        unsafe {
            let mut one = buffer::mcm_buf_new2(ctxt, c"ab\nc".as_ptr(), 4);
            for _ in 0..5 {
                assert_eq!(buffer::mcm_buf_append_buf(ctxt, one, one), 1);
            }
            let (at, find) = (buffer_search::mcm_buf_find(ctxt, one, c"c".as_ptr()), c"b\n".as_ptr());
            assert_eq!(at.offset_from((*one).ptr), 3);
            let mut find = buffer::mcm_buf_new3(ctxt, find);
            let mut made = buffer_search::mcm_buf_find_replace(ctxt, one, find, one);
            assert_eq!((*made).len, 32 * 2 + 32 * 128);
            assert_eq!(buffer::mcm_buf_replace(ctxt, one, (*one).ptr.add(2), 3), 1, "a part of itself");
            assert_eq!(buffer_search::mcm_buf_find2(ctxt, one, c"ca".as_ptr(), 2), (*one).ptr.add(1));
            buffer_size::mcm_buf_eat_line(ctxt, one);
            assert_eq!(buffer_size::mcm_buf_compact(ctxt, made), 1);
            for buffer in [&mut one, &mut find, &mut made] {
                assert_eq!((buffer::mcm_buf_free(ctxt, buffer), buffer.is_null()), (1, true));
            }
        }
    });
    assert!(errors <= 1, "there may be no line to eat");
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no strnlen")]
fn texts_hashes_servers_and_errors() {
    let errors = within(|ctxt| {
        // SAFETY: live texts and structs, each freed once.
        unsafe {
            let copy = text::mcm_strndup(ctxt, c"text".as_ptr(), 2);
            assert_eq!(text::mcm_strnchr(ctxt, copy, i32::from(b'e'), 9), copy.add(1));
            assert!(text::mcm_strnstr(ctxt, copy, c"x".as_ptr(), 2).is_null());
            take(copy.cast());
            assert_eq!(
                hash::mcm_hash_key(ctxt, c"key".as_ptr(), 3),
                hash::mcm_hash_key(ctxt, c"key?".as_ptr(), 3)
            );
            server::mcm_server_free(ctxt, server::mcm_server_new(ctxt));
            let words = b"no NUL behind it".as_ptr().cast::<c_char>();
            error::mcm_err(ctxt, 1, c"here".as_ptr(), 1, 1, words, 6, 16);
            error::mcm_err_test(ctxt);
            request::mcm_req_free(ctxt, null_mut());
        }
    });
    assert_eq!(errors, 2);
}
