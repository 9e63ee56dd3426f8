//! The sections of the two services: `[watch]` and `[proxy]`.

use std::collections::HashMap;

use crate::rules::address::Address;

use super::error::{Report, quoted};
use super::limits;
use super::section::{Located, Section};
use super::server_sections::Draft;
use super::{Proxy, Rejoin, Watch};

/// The keys of `[watch]`.
const WATCH: [&str; 10] = [
    "interval",
    "fall",
    "rise",
    "deadline",
    "mode",
    "owner",
    "group",
    "sweep_share",
    "sweep_servers",
    "rejoin",
];

/// Reads `[watch]`; a file without one gets the defaults.
pub(super) fn watch(report: &mut Report, section: Option<&Section<'_>>) -> Watch {
    let mut watch = Watch::default();
    let Some(section) = section else { return watch };
    section.allow_only(report, &WATCH);
    if let Some(interval) = section.duration(report, "interval", limits::INTERVAL) {
        watch.interval = interval.value;
    }
    if let Some(fall) = section.count(report, "fall", limits::PROBES) {
        watch.fall = fall.value;
    }
    if let Some(rise) = section.count(report, "rise", limits::PROBES) {
        watch.rise = rise.value;
    }
    watch.deadline = section.duration(report, "deadline", limits::DEADLINE).map(|deadline| deadline.value);
    if let Some(mode) = section.read(report, "mode", "\"0644\"", mode) {
        watch.mode = mode.value;
    }
    watch.owner = section.read(report, "owner", "\"memcache\"", account).map(|owner| owner.value);
    watch.group = section.read(report, "group", "\"memcache\"", account).map(|group| group.value);
    if let Some(share) = section.read(report, "sweep_share", "\"10%\"", share) {
        watch.sweep_share = share.value;
    }
    if let Some(servers) = section.count(report, "sweep_servers", limits::SWEEP_SERVERS) {
        watch.sweep_servers = servers.value;
    }
    let rejoins = [("flush", Rejoin::Flush), ("keep", Rejoin::Keep)];
    if let Some(rejoin) = section.choice(report, "rejoin", &rejoins) {
        watch.rejoin = rejoin.value;
    }
    watch
}

/// A share as percents.
fn share(text: &str) -> Result<u32, String> {
    let digits = text.strip_suffix('%').filter(|digits| {
        (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    });
    let Some(share) = digits.and_then(|digits| digits.parse().ok()) else {
        return Err(format!(
            "{} is not a share; write whole percents, such as \"10%\", from \"1%\" to \"100%\"",
            quoted(text)
        ));
    };
    if limits::SWEEP_SHARE.contains(&share) {
        return Ok(share);
    }
    let (least, most) = (limits::SWEEP_SHARE.start(), limits::SWEEP_SHARE.end());
    Err(format!("{} is out of range; allowed is \"{least}%\" to \"{most}%\"", quoted(text)))
}

/// Permission bits as `chmod` takes them.
fn mode(text: &str) -> Result<u32, String> {
    let is_octal = (1..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = if is_octal { u32::from_str_radix(text, 8).ok() } else { None };
    let Some(mode) = mode else {
        return Err(format!(
            "{} is not a mode; write its octal digits, such as \"0644\" or \"0640\"",
            quoted(text)
        ));
    };
    if mode & !limits::TABLE_MODE != 0 {
        return Err(format!(
            "{} allows more than 0644, and a table that others can change is refused by its readers; \
             allowed is \"0644\" or less",
            quoted(text)
        ));
    }
    if mode & 0o400 == 0 {
        return Err(format!(
            "{} does not let the owner read the table; allowed is \"0400\" to \"0644\"",
            quoted(text)
        ));
    }
    Ok(mode)
}

/// The name or number of a user or a group. Whether there is such a one is the daemon's to find out:
/// the file may have been written for another machine.
fn account(text: &str) -> Result<String, String> {
    let allowed = "write the name or the number of one, such as \"memcache\" or \"11211\"";
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let wrong = if text.is_empty() {
        "is empty".to_owned()
    } else if is_number && text.parse::<u32>().is_ok_and(|id| id != u32::MAX) {
        // (The last one means "leave it" to chown.)
        return Ok(text.to_owned());
    } else if is_number {
        format!("is larger than {}", u32::MAX - 1)
    } else if text.len() > limits::ACCOUNT {
        format!("is {} bytes long, and a name has at most {}", text.len(), limits::ACCOUNT)
    } else if text.starts_with('-')
        || text.contains(|letter: char| {
            letter.is_whitespace() || letter.is_control() || matches!(letter, ':' | '/')
        })
    {
        "is no name of a user or a group".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(format!("{} {wrong}; {allowed}", quoted(text)))
}

/// The keys of `[proxy]`.
const PROXY: [&str; 9] =
    ["listen", "mode", "http", "connections", "buffer", "memory", "value", "key", "line"];

/// What the proxy takes in at most.
fn limits_of_proxy(report: &mut Report, section: &Section<'_>, proxy: &mut Proxy) {
    if let Some(mode) = section.read(report, "mode", "\"0660\"", socket_mode) {
        proxy.mode = mode.value;
    }
    proxy.http = section
        .read(report, "http", "\"127.0.0.1:9150\"", |text| {
            text.parse::<Address>().map_err(|wrong| wrong.to_string())
        })
        .map(|http| http.value);
    if let Some(count) = section.count(report, "connections", limits::CONNECTIONS) {
        proxy.connections = count.value;
    }
    let mut bytes = |name: &str, most: u32, into: &mut usize| {
        if let Some(count) = section.count(report, name, most) {
            *into = count.value as usize;
        }
    };
    bytes("buffer", limits::BUFFER, &mut proxy.buffer);
    bytes("memory", limits::MEMORY, &mut proxy.memory);
    bytes("value", limits::VALUE, &mut proxy.value);
    bytes("key", limits::KEY, &mut proxy.key);
    bytes("line", limits::BUFFER, &mut proxy.line);
}

/// Permission bits of a socket as `chmod` takes them.
fn socket_mode(text: &str) -> Result<u32, String> {
    let is_octal = (1..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = if is_octal { u32::from_str_radix(text, 8).ok() } else { None };
    mode.filter(|mode| mode & !0o777 == 0).ok_or_else(|| {
        format!(
            "{} is not a mode; write its octal digits, such as \"0660\" or \"0666\", at most \"0777\"",
            quoted(text)
        )
    })
}

/// Reads `[proxy]`; a file without one gives the proxy nowhere to listen.
pub(super) fn proxy(report: &mut Report, section: Option<&Section<'_>>, servers: &[Draft<'_>]) -> Proxy {
    let mut proxy = Proxy::default();
    let Some(section) = section else { return proxy };
    section.allow_only(report, &PROXY);
    limits_of_proxy(report, section, &mut proxy);
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
