//! Where every public field lies: what programs were compiled against. x86-64, as is the recorded
//! interface; the C compiler checks the same of the header (c-tests/layout.c).

#![cfg(target_arch = "x86_64")]

use std::mem::offset_of;

use super::buffer_type::memcache_buf;
use super::context::memcache_ctxt;
use super::error::memcache_err_ctxt;
use super::memcache::memcache;
use super::request::{memcache_req, memcache_res, memcache_res_cb};
use super::server::memcache_server;
use super::stats::memcache_server_stats;

const _: () = {
    assert!(offset_of!(memcache_err_ctxt, misc) == 0);
    assert!(offset_of!(memcache_err_ctxt, funcname) == 8);
    assert!(offset_of!(memcache_err_ctxt, lineno) == 16);
    assert!(offset_of!(memcache_err_ctxt, errnum) == 20);
    assert!(offset_of!(memcache_err_ctxt, errcode) == 24);
    assert!(offset_of!(memcache_err_ctxt, severity) == 28);
    assert!(offset_of!(memcache_err_ctxt, cont) == 29);
    assert!(offset_of!(memcache_err_ctxt, retcode) == 32);
    assert!(offset_of!(memcache_err_ctxt, sysexit) == 36);
    assert!(offset_of!(memcache_err_ctxt, errstr) == 40);
    assert!(offset_of!(memcache_err_ctxt, errmsg) == 48);
    assert!(offset_of!(memcache_err_ctxt, errlen) == 56);
    assert!(offset_of!(memcache_err_ctxt, ctxt) == 64);
    assert!(size_of::<memcache_err_ctxt>() >= 72 && align_of::<memcache_err_ctxt>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_ctxt, mcFree) == 0);
    assert!(offset_of!(memcache_ctxt, mcMalloc) == 8);
    assert!(offset_of!(memcache_ctxt, mcMallocAtomic) == 16);
    assert!(offset_of!(memcache_ctxt, mcRealloc) == 24);
    assert!(offset_of!(memcache_ctxt, mcErr) == 32);
    assert!(offset_of!(memcache_ctxt, mcKeyValid) == 40);
    assert!(offset_of!(memcache_ctxt, mcHashKey) == 48);
    assert!(offset_of!(memcache_ctxt, mcServerFind) == 56);
    assert!(offset_of!(memcache_ctxt, errnum) == 64);
    assert!(offset_of!(memcache_ctxt, _rbuf) == 72);
    assert!(offset_of!(memcache_ctxt, _wbuf) == 80);
    assert!(offset_of!(memcache_ctxt, _last_hash) == 88);
    assert!(offset_of!(memcache_ctxt, ectxt) == 96);
    assert!(offset_of!(memcache_ctxt, err_mask) == 104);
    assert!(size_of::<memcache_ctxt>() >= 112 && align_of::<memcache_ctxt>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_server, misc) == 0);
    assert!(offset_of!(memcache_server, hostname) == 8);
    assert!(offset_of!(memcache_server, port) == 16);
    assert!(offset_of!(memcache_server, fd) == 24);
    assert!(offset_of!(memcache_server, tv) == 32);
    assert!(offset_of!(memcache_server, active) == 48);
    assert!(offset_of!(memcache_server, hostinfo) == 56);
    assert!(offset_of!(memcache_server, num_addrs) == 64);
    assert!(offset_of!(memcache_server, rbuf) == 72);
    assert!(offset_of!(memcache_server, wbuf) == 80);
    assert!(offset_of!(memcache_server, _last_hash) == 88);
    assert!(offset_of!(memcache_server, soff) == 96);
    assert!(offset_of!(memcache_server, startoff) == 104);
    assert!(offset_of!(memcache_server, entries) == 112);
    assert!(size_of::<memcache_server>() >= 128 && align_of::<memcache_server>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_server_stats, pid) == 0);
    assert!(offset_of!(memcache_server_stats, uptime) == 8);
    assert!(offset_of!(memcache_server_stats, time) == 16);
    assert!(offset_of!(memcache_server_stats, version) == 24);
    assert!(offset_of!(memcache_server_stats, rusage_user) == 32);
    assert!(offset_of!(memcache_server_stats, rusage_system) == 48);
    assert!(offset_of!(memcache_server_stats, curr_items) == 64);
    assert!(offset_of!(memcache_server_stats, total_items) == 72);
    assert!(offset_of!(memcache_server_stats, bytes) == 80);
    assert!(offset_of!(memcache_server_stats, curr_connections) == 88);
    assert!(offset_of!(memcache_server_stats, total_connections) == 96);
    assert!(offset_of!(memcache_server_stats, connection_structures) == 104);
    assert!(offset_of!(memcache_server_stats, cmd_get) == 112);
    assert!(offset_of!(memcache_server_stats, cmd_set) == 120);
    assert!(offset_of!(memcache_server_stats, get_hits) == 128);
    assert!(offset_of!(memcache_server_stats, get_misses) == 136);
    assert!(offset_of!(memcache_server_stats, bytes_read) == 144);
    assert!(offset_of!(memcache_server_stats, bytes_written) == 152);
    assert!(offset_of!(memcache_server_stats, limit_maxbytes) == 160);
    assert!(size_of::<memcache_server_stats>() >= 168 && align_of::<memcache_server_stats>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache, misc) == 0);
    assert!(offset_of!(memcache, tv) == 8);
    assert!(offset_of!(memcache, num_servers) == 24);
    assert!(offset_of!(memcache, servers) == 32);
    assert!(offset_of!(memcache, server_list) == 40);
    assert!(size_of::<memcache>() >= 56 && align_of::<memcache>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_res, misc) == 0);
    assert!(offset_of!(memcache_res, key) == 8);
    assert!(offset_of!(memcache_res, len) == 16);
    assert!(offset_of!(memcache_res, hash) == 24);
    assert!(offset_of!(memcache_res, bytes) == 32);
    assert!(offset_of!(memcache_res, val) == 40);
    assert!(offset_of!(memcache_res, size) == 48);
    assert!(offset_of!(memcache_res, entries) == 56);
    assert!(offset_of!(memcache_res, flags) == 72);
    assert!(offset_of!(memcache_res, _flags) == 74);
    assert!(size_of::<memcache_res>() >= 80 && align_of::<memcache_res>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_req, misc) == 0);
    assert!(offset_of!(memcache_req, query) == 8);
    assert!(offset_of!(memcache_req, cb) == 24);
    assert!(offset_of!(memcache_req, num_keys) == 40);
    assert!(size_of::<memcache_req>() >= 48 && align_of::<memcache_req>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_res_cb, misc) == 0);
    assert!(offset_of!(memcache_res_cb, ctxt) == 8);
    assert!(offset_of!(memcache_res_cb, req) == 16);
    assert!(offset_of!(memcache_res_cb, res) == 24);
    assert!(offset_of!(memcache_res_cb, cb) == 32);
    assert!(offset_of!(memcache_res_cb, entries) == 40);
    assert!(size_of::<memcache_res_cb>() >= 56 && align_of::<memcache_res_cb>() == 8);
};
const _: () = {
    assert!(offset_of!(memcache_buf, ptr) == 0);
    assert!(offset_of!(memcache_buf, flags) == 8);
    assert!(offset_of!(memcache_buf, len) == 16);
    assert!(offset_of!(memcache_buf, size) == 24);
    assert!(offset_of!(memcache_buf, off) == 32);
    assert!(size_of::<memcache_buf>() >= 56 && align_of::<memcache_buf>() == 8);
};
