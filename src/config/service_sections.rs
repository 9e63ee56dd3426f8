//! The sections of the two services: `[watch]` and `[proxy]`.

use std::collections::HashMap;

use crate::rules::address::Address;

use super::error::{Report, quoted};
use super::limits;
use super::section::{Located, Section};
use super::server_sections::Draft;
use super::{Proxy, Watch};

/// Reads `[watch]`; a file without one gets the defaults.
pub(super) fn watch(report: &mut Report, section: Option<&Section<'_>>) -> Watch {
    let mut watch = Watch::default();
    let Some(section) = section else { return watch };
    section.allow_only(report, &["interval", "fall", "rise"]);
    if let Some(interval) = section.duration(report, "interval", limits::INTERVAL) {
        watch.interval = interval.value;
    }
    if let Some(fall) = section.count(report, "fall", limits::PROBES) {
        watch.fall = fall.value;
    }
    if let Some(rise) = section.count(report, "rise", limits::PROBES) {
        watch.rise = rise.value;
    }
    watch
}

/// Reads `[proxy]`; a file without one gives the proxy nowhere to listen.
pub(super) fn proxy(report: &mut Report, section: Option<&Section<'_>>, servers: &[Draft<'_>]) -> Proxy {
    let mut proxy = Proxy::default();
    let Some(section) = section else { return proxy };
    section.allow_only(report, &["listen"]);
    let Some(listen) = section.texts(report, "listen", "[\"127.0.0.1:11311\"]") else { return proxy };
    if listen.value.is_empty() {
        let text = "listen is empty; name at least one address, or leave the section [proxy] out";
        report.at(listen.line, text);
    }
    let mut taken: HashMap<Address, (&str, usize)> = servers
        .iter()
        .filter_map(|server| server.address.as_ref())
        .map(|address| (address.value.clone(), ("a server's", address.line)))
        .collect();
    for Located { line, value } in listen.value {
        let address: Address = match value.parse() {
            Ok(address) => address,
            Err(wrong) => {
                report.at(line, format!("listen: {wrong}"));
                continue;
            }
        };
        if let Some((whose, first)) = taken.get(&address) {
            let shown = quoted(&address.to_string());
            let text =
                format!("listen: {shown} is already {whose} address on line {first}; name another one");
            report.at(line, text);
            continue;
        }
        taken.insert(address.clone(), ("a listening", line));
        proxy.listen.push(address);
    }
    proxy
}
