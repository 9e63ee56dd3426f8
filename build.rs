//! Gives the shared library the soname that programs of the old library ask the loader for, and keeps it loaded once it
//! is: what a process knows of its servers (that one missed a write, and must be emptied) lasts as long as the
//! process, not as long as a plugin; and a library that is loaded again and again leaves nothing behind each time.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmemcache.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
