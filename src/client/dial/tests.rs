//! Dialing on machines that lack something, each of them a network of the test's own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::client::clock;

/// Named in the environment of a test that runs in a network of its own.
const INSIDE: &str = "MEMCACHE_TEST_NETWORK";

/// A loopback interface that knows no IPv6, as `disable_ipv6` makes it.
pub(crate) const NO_IPV6: &str = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up";
/// The same, and two ports for all connections to one address.
const TWO_PORTS: &str = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; \
                         echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range; ip link set lo up";

/// Whether the test of this name is to go on: it is in a network that was set up so. Else it is run in one, if somebody may make
/// one here.
pub(crate) fn is_in_a_network(setup: &str, test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |what: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", &format!("{{ {setup}; }} 2>&1 && {what}"), "sh"]).env(INSIDE, "");
        command
    };
    let may = unshare("true").output().expect("util-linux");
    if !may.status.success() || !may.stdout.is_empty() {
        println!("nobody may make such a network here: {}", String::from_utf8_lossy(&may.stdout));
        return false;
    }
    let this = std::env::current_exe().expect("this program");
    let done =
        unshare("exec \"$@\"").arg(this).args(["--exact", test, "--nocapture"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1 passed"), "{test} is no test's name: {said}");
    false
}

/// How dialing these ends.
fn dialled(sites: &[SocketAddr]) -> Result<(), Loss> {
    let sites = sites.iter().map(|site| SocketAddrAny::from(*site)).collect();
    let limit = Duration::from_secs(5);
    let mut dial = Dial::new(sites, clock::now(), limit, limit);
    loop {
        match dial.step(clock::now()) {
            Ok(None) => std::thread::yield_now(),
            ended => return ended.map(drop),
        }
    }
}

/// A name that stands for both kinds of addresses is no longer reached when its server is dead, and not by this machine's fault.
#[test]
fn where_there_is_no_ipv6_the_other_address_tells() {
    if !is_in_a_network(NO_IPV6, "client::dial::tests::where_there_is_no_ipv6_the_other_address_tells") {
        return;
    }
    let (dead, none): (SocketAddr, SocketAddr) = ("127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap());
    assert!(!has_a_way_to(&none.into()), "the network is what it is to be");
    assert_eq!(dialled(&[dead, none]), Err(Loss::Refused));
    assert_eq!(dialled(&[none, dead]), Err(Loss::Refused));
    assert_eq!(dialled(&[none]), Err(Loss::Local), "nobody was asked");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    assert_eq!(dialled(&[none, listener.local_addr().unwrap()]), Ok(()));
}

/// That a server's other address refuses says nothing of one that listens where there is no port left to connect from.
#[test]
fn without_ports_nothing_is_said_of_a_server() {
    if !is_in_a_network(TWO_PORTS, "client::dial::tests::without_ports_nothing_is_said_of_a_server") {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 5000)).unwrap();
    let there = listener.local_addr().unwrap();
    let _all = [TcpStream::connect(there).unwrap(), TcpStream::connect(there).unwrap()];
    let refuses: SocketAddr = "127.0.0.1:9".parse().unwrap();
    assert_eq!(dialled(&[refuses]), Err(Loss::Refused));
    assert_eq!(dialled(&[refuses, there]), Err(Loss::Local));
    assert_eq!(dialled(&[there, refuses]), Err(Loss::Local));
}
