//! What `[watch]` says of sweeps and of who comes back: what is accepted, and what is refused.

use memcache::config::Rejoin;

use super::*;

#[test]
fn how_a_sweep_behaves() {
    for (text, share) in [("1%", 1), ("10%", 10), ("100%", 100), ("007%", 7)] {
        assert_eq!(accepted(&format!("[watch]\nsweep_share = \"{text}\"\n{ONE}")).watch.sweep_share, share);
    }
    for servers in [1, 2, 16] {
        assert_eq!(
            accepted(&format!("[watch]\nsweep_servers = {servers}\n{ONE}")).watch.sweep_servers,
            servers
        );
    }
    for (word, rejoin) in [("flush", Rejoin::Flush), ("keep", Rejoin::Keep)] {
        assert_eq!(accepted(&format!("[watch]\nrejoin = \"{word}\"\n{ONE}")).watch.rejoin, rejoin);
    }
}

#[test]
fn sweeps_that_are_none() {
    let percents = "is not a share; write whole percents, such as \"10%\", from \"1%\" to \"100%\"";
    for text in ["", "%", "10", "10 %", "2.5%", "-1%", "+1%", "1000%", "10%%", "ten%"] {
        refused(
            &format!("[watch]\nsweep_share = \"{text}\"\n{ONE}"),
            &[&format!("2: sweep_share: \"{text}\" {percents}")],
        );
    }
    for text in ["0%", "101%", "999%"] {
        refused(
            &format!("[watch]\nsweep_share = \"{text}\"\n{ONE}"),
            &[&format!("2: sweep_share: \"{text}\" is out of range; allowed is \"1%\" to \"100%\"")],
        );
    }
    for (line, message) in [
        ("sweep_share = 10", "sweep_share is an integer; it must be text in quotes, such as \"10%\""),
        ("sweep_servers = 0", "sweep_servers is 0; allowed is 1 to 16"),
        ("sweep_servers = 17", "sweep_servers is 17; allowed is 1 to 16"),
        ("sweep_servers = \"2\"", "sweep_servers is text; it must be a whole number from 1 to 16"),
        (
            "rejoin = \"keeps\"",
            "rejoin: \"keeps\" is not known (did you mean \"keep\"?); allowed is \"flush\" or \"keep\"",
        ),
        ("rejoin = true", "rejoin is a boolean; it must be text in quotes, such as \"flush\" or \"keep\""),
    ] {
        refused(&format!("[watch]\n{line}\n{ONE}"), &[&format!("2: {message}")]);
    }
}
