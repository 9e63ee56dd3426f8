//! A program that runs with rights which its caller does not have takes no pool from its caller's environment.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use support::cc;
use support::installed::output_of;
use support::scratch::Scratch;
use support::server::Memcached;

/// It asks the pool of its environment, or the server that it is told; and says whom.
const PROGRAM: &str = r#"
#include <memcache.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    struct memcache *mc = mc_new();
    char *value;
    if (argc != 2 || mc == NULL || mc_server_add4(mc, argv[1]) != 0)
        return 2;
    mc_timeout(mc, 20, 0);
    value = mc_aget(mc, "whose", 5);
    puts(value != NULL ? value : "nobody's");
    free(value);
    mc_free(mc);
    return 0;
}
"#;

/// The user that the setuid program belongs to: any but root, who runs the test.
const OTHER: u32 = 65_534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn who_calls_a_setuid_program_does_not_choose_its_servers() {
    let scratch = Scratch::new();
    let callers = Memcached::start();
    let own = Memcached::start();
    callers.ask("set whose 0 0 8\r\ncaller's\r\n", "STORED").expect("it stores");
    own.ask("set whose 0 0 9\r\nits own's\r\n", "STORED").expect("it stores");
    let pool = format!("[pool]\ntimeout = \"20s\"\n[[server]]\naddress = \"{}\"\n", callers.address());
    let pool = scratch.write("pool.toml", &pool);
    let source = scratch.write("whose.c", PROGRAM);
    let program = cc::program(&scratch, "whose", &[source.to_str().expect("a plain path")]);
    let says = |program: &Path| {
        let mut command = Command::new(program);
        output_of("it", command.arg(own.address()).env("MEMCACHE_POOL", &pool))
    };
    assert_eq!(says(&program), "caller's\n", "a plain program takes its environment's pool");

    // Only root can make what another user's rights come with. Everybody else has the test of `chosen` in src/config/source.rs.
    if !is_root() {
        return;
    }
    let with_rights = |owner: Option<u32>, group: Option<u32>, bit: u32| {
        let copy = scratch.path().join(format!("whose-{bit:o}"));
        fs::copy(&program, &copy).expect("a copy");
        chown(&copy, owner, group).expect("root gives files away");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755 | bit)).expect("a mode");
        says(&copy)
    };
    // The library is found by an absolute path, which the loader keeps to here too; it must be readable for that user.
    let library = fs::read_link(scratch.path().join("lib/libmemcache.so.0")).expect("a link to the library");
    for link in ["libmemcache.so", "libmemcache.so.0"] {
        fs::remove_file(scratch.path().join("lib").join(link)).expect("the link");
        fs::copy(&library, scratch.path().join("lib").join(link)).expect("the library");
    }
    assert_eq!(with_rights(Some(OTHER), None, 0o4000), "its own's\n", "setuid");
    assert_eq!(with_rights(None, Some(OTHER), 0o2000), "its own's\n", "setgid");
}
