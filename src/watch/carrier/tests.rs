//! Dialing, as `client/dial/tests.rs` has it for the clients.

use std::net::SocketAddr;

use super::*;
use crate::client::network::{NO_IPV6, is_in_a_network};

fn dialled(sites: &[SocketAddr]) -> Option<Failing> {
    let sites: Sites = sites.iter().map(|site| SocketAddrAny::from(*site)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { dial(&sites, &mut Deadline::new(Duration::from_secs(5))).await.err() })
}

#[test]
fn where_there_is_no_ipv6_the_other_address_tells() {
    if !is_in_a_network(NO_IPV6, "watch::carrier::tests::where_there_is_no_ipv6_the_other_address_tells") {
        return;
    }
    let (dead, none): (SocketAddr, SocketAddr) = ("127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap());
    assert_eq!(dialled(&[dead, none]), Some(Failing::Refused));
    assert_eq!(dialled(&[none, dead]), Some(Failing::Refused));
    assert_eq!(dialled(&[none]), Some(Failing::Local), "nobody was asked");
}
