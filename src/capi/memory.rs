//! Contexts with allocators of the program's own.

use std::ffi::c_int;
use std::ptr;

use super::context::{
    Context, DEFAULTS, mc_global_ctxt, mcFreeFunc, mcMallocFunc, mcReallocFunc, memcache_ctxt,
};
use super::error;
use super::guard::guard;

/// Sets a context's allocators. mallocAtomicFunc may be NULL: mallocFunc is used in its place. Set
/// them before anything is made with the context: what one allocator gave, another must not free.
/// 0, or 1 when a required pointer is NULL (nothing is changed then).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcMemSetupCtxt(
    ctxt: *mut memcache_ctxt,
    freeFunc: mcFreeFunc,
    mallocFunc: mcMallocFunc,
    mallocAtomicFunc: mcMallocFunc,
    reallocFunc: mcReallocFunc,
) -> c_int {
    guard(1, || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { ctxt.as_mut() }?;
        freeFunc?;
        mallocFunc?;
        reallocFunc?;
        ctxt.mcFree = freeFunc;
        ctxt.mcMalloc = mallocFunc;
        ctxt.mcMallocAtomic = mallocAtomicFunc.or(mallocFunc);
        ctxt.mcRealloc = reallocFunc;
        Some(0)
    })
}

/// Sets the global context's allocators. See mcMemSetupCtxt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcMemSetup(
    freeFunc: mcFreeFunc,
    mallocFunc: mcMallocFunc,
    mallocAtomicFunc: mcMallocFunc,
    reallocFunc: mcReallocFunc,
) -> c_int {
    // SAFETY: the global context is always valid.
    unsafe { mcMemSetupCtxt(mc_global_ctxt(), freeFunc, mallocFunc, mallocAtomicFunc, reallocFunc) }
}

/// Reads the global context's allocators. Each pointer may be NULL. Returns 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcMemGet(
    freeFunc: *mut mcFreeFunc,
    mallocFunc: *mut mcMallocFunc,
    mallocAtomicFunc: *mut mcMallocFunc,
    reallocFunc: *mut mcReallocFunc,
) -> c_int {
    guard(1, || {
        // SAFETY: the global context is always valid; each pointer is NULL or the caller's variable.
        unsafe {
            let ctxt = &*mc_global_ctxt();
            if let Some(out) = freeFunc.as_mut() {
                *out = ctxt.mcFree;
            }
            if let Some(out) = mallocFunc.as_mut() {
                *out = ctxt.mcMalloc;
            }
            if let Some(out) = mallocAtomicFunc.as_mut() {
                *out = ctxt.mcMallocAtomic;
            }
            if let Some(out) = reallocFunc.as_mut() {
                *out = ctxt.mcRealloc;
            }
        }
        Some(0)
    })
}

/// A new context with these allocators, the default handlers and hooks, and the default filter.
/// mallocAtomicFunc may be NULL. NULL when another is, or when there is no memory. Free it with
/// mcMemFreeCtxt after everything that was made with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcMemNewCtxt(
    freeFunc: mcFreeFunc,
    mallocFunc: mcMallocFunc,
    mallocAtomicFunc: mcMallocFunc,
    reallocFunc: mcReallocFunc,
) -> *mut memcache_ctxt {
    guard(ptr::null_mut(), || {
        let mut fresh = DEFAULTS;
        // SAFETY: a context of our own.
        let refused =
            unsafe { mcMemSetupCtxt(&mut fresh, freeFunc, mallocFunc, mallocAtomicFunc, reallocFunc) };
        if refused != 0 {
            return None;
        }
        // SAFETY: it lives to the end of this call.
        let maker = unsafe { Context::new(&fresh) }?;
        let ectxt = maker.allocate(c"mcMemNewCtxt", error::NOTHING)?;
        let Some(ctxt) = maker.allocate(c"mcMemNewCtxt", memcache_ctxt { ectxt, ..DEFAULTS }) else {
            // SAFETY: fresh from this allocator.
            unsafe { maker.free(ectxt) };
            return None;
        };
        // SAFETY: fresh memory; its allocators were checked above.
        unsafe { mcMemSetupCtxt(ctxt, freeFunc, mallocFunc, mallocAtomicFunc, reallocFunc) };
        Some(ctxt)
    })
}

/// Frees a context of mcMemNewCtxt with its own free. NULL is fine. What was made with it must be
/// gone by then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcMemFreeCtxt(ctxt: *mut memcache_ctxt) {
    guard((), || {
        // SAFETY: the caller's context.
        let context = unsafe { Context::new(ctxt) }?;
        if ctxt == mc_global_ctxt() {
            return None; // It was never allocated.
        }
        // SAFETY: both came from this context's allocator in mcMemNewCtxt. The free function is read
        // before the struct goes.
        unsafe {
            context.free((*ctxt).ectxt);
            context.free(ctxt);
        }
        Some(())
    });
}
