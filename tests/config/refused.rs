//! Every refusal, with its exact line and words.

use memcache::config;
use memcache::rules::address::Address;

use super::*;

#[test]
fn unknown_sections_and_keys() {
    for (text, message) in [
        (
            "[pol]\n",
            "1: unknown section \"pol\" (did you mean [pool]?); allowed are the sections [pool], [[server]], \
             [watch] and [proxy]",
        ),
        (
            "# ours\n[[servers]]\n",
            "2: unknown section \"servers\" (did you mean [[server]]?); allowed are the sections [pool], \
             [[server]], [watch] and [proxy]",
        ),
        (
            "colour = \"red\"\n",
            "1: the key \"colour\" stands outside of any section; allowed are the sections [pool], [[server]], \
             [watch] and [proxy]",
        ),
        (
            "[pool]\nname = \"x\"\ntimeuot = \"1s\"\n",
            "3: unknown key \"timeuot\" in [pool] (did you mean timeout?); allowed are name, distribution, \
             backup, read_backup, window, max_ttl, connect_timeout, timeout and table",
        ),
        (
            "[pool]\n[pool.\"a\\nb\"]\n",
            "2: unknown key \"a\\nb\" in [pool]; allowed are name, distribution, backup, read_backup, window, \
             max_ttl, connect_timeout, timeout and table",
        ),
        (
            "[watch]\nfalls = 2\n",
            "2: unknown key \"falls\" in [watch] (did you mean fall?); allowed are interval, fall, \
             rise, deadline, mode, owner, group, sweep_share, sweep_servers and rejoin",
        ),
        ("[proxy]\nport = 2\n", super::UNKNOWN_OF_PROXY),
        ("pool = 1\n", "1: pool must be written as a section of its own: [pool], once"),
        ("[[pool]]\n[[pool]]\n", "1: pool must be written as a section of its own: [pool], once"),
        ("[[watch]]\n", "1: watch must be written as a section of its own: [watch], once"),
        ("proxy = { listen = [] }\n", "1: proxy must be written as a section of its own: [proxy], once"),
    ] {
        refused(&format!("{text}{ONE}"), &[message]);
    }
    refused(
        "[[server]]\naddress = \"h:1\"\nweigth = 2\n",
        &[
            "3: unknown key \"weigth\" in [[server]] (did you mean weight?); allowed are name, address, weight, backup and state",
        ],
    );
}

#[test]
fn sections_that_hold_no_servers() {
    let none = "no servers; a pool needs at least one [[server]] section with its address";
    refused("", &[&format!("1: {none}")]);
    refused("\n\n\n", &[&format!("3: {none}")]);
    refused("[pool]\nname = \"x\"\n# the end", &[&format!("3: {none}")]);
    let own = "a server must be written as a section of its own: [[server]], once for each";
    refused("[server]\naddress = \"h:1\"\n", &[&format!("1: {own}"), &format!("2: {none}")]);
    refused("[server.a]\naddress = \"h:1\"\n", &[&format!("1: {own}"), &format!("2: {none}")]);
    refused("server = [{ address = \"h:1\" }]\n", &[&format!("1: {own}"), &format!("1: {none}")]);
}

#[test]
fn values_of_another_type() {
    for (key, message) in [
        ("name = 7", "name is an integer; it must be text in quotes, such as \"sessions\""),
        ("name = { x = 1 }", "name is an inline table; it must be text in quotes, such as \"sessions\""),
        ("name.x = 1", "name is a section; it must be text in quotes, such as \"sessions\""),
        (
            "distribution = true",
            "distribution is a boolean; it must be text in quotes, such as \"modulo\" or \"ketama\"",
        ),
        ("backup = false", "backup is a boolean; it must be text in quotes, such as \"pairs\" or \"none\""),
        (
            "read_backup = []",
            "read_backup is an array; it must be text in quotes, such as \"recovering\" or \"always\"",
        ),
        ("window = 24", "window is an integer; it must be text in quotes, such as \"500ms\""),
        ("max_ttl = 1.5", "max_ttl is a float; it must be text in quotes, such as \"500ms\""),
        (
            "connect_timeout = 100",
            "connect_timeout is an integer; it must be text in quotes, such as \"500ms\"",
        ),
        ("timeout = 07:32:00", "timeout is a datetime; it must be text in quotes, such as \"500ms\""),
        (
            "table = 1",
            "table is an integer; it must be text in quotes, such as \"/run/memcache/sessions.table\"",
        ),
    ] {
        refused(&format!("[pool]\n{key}\n{ONE}"), &[&format!("2: {message}")]);
    }
    for (text, message) in [
        ("[watch]\nfall = \"2\"\n", "2: fall is text; it must be a whole number from 1 to 100"),
        ("[watch]\nrise = 2.0\n", "2: rise is a float; it must be a whole number from 1 to 100"),
        (
            "[watch]\ninterval = 2\n",
            "2: interval is an integer; it must be text in quotes, such as \"500ms\"",
        ),
        (
            "[proxy]\nlisten = \"h:2\"\n",
            "2: listen is text; it must be a list of texts, such as [\"127.0.0.1:11311\"]",
        ),
        (
            "[proxy]\nlisten = [\n  \"h:2\",\n  11311,\n]\n",
            "4: listen has an integer in its list; only texts may be in it, such as [\"127.0.0.1:11311\"]",
        ),
    ] {
        refused(&format!("{text}{ONE}"), &[message]);
    }
    refused(
        "[[server]]\naddress = 11211\nname = 1\nweight = \"1\"\nbackup = 2\n",
        &[
            "2: address is an integer; it must be text in quotes, such as \"127.0.0.1:11211\"",
            "3: name is an integer; it must be text in quotes, such as \"s1\"",
            "4: weight is text; it must be a whole number from 1 to 4096",
            "5: backup is an integer; it must be text in quotes, such as \"s2\", the name of another server",
        ],
    );
}

#[test]
fn words_that_are_not_known() {
    for (key, message) in [
        (
            "distribution = \"modula\"",
            "distribution: \"modula\" is not known (did you mean \"modulo\"?); allowed is \"modulo\" or \"ketama\"",
        ),
        (
            "distribution = \"random\"",
            "distribution: \"random\" is not known; allowed is \"modulo\" or \"ketama\"",
        ),
        (
            "backup = \"Pairs\"",
            "backup: \"Pairs\" is not known (did you mean \"pairs\"?); allowed is \"pairs\" or \"none\"",
        ),
        ("read_backup = \"\"", "read_backup: \"\" is not known; allowed is \"recovering\" or \"always\""),
    ] {
        refused(&format!("[pool]\n{key}\n{ONE}"), &[&format!("2: {message}")]);
    }
}

#[test]
fn durations_that_make_no_sense() {
    for (key, message) in [
        ("window = \"0s\"", "window: \"0s\" is too short; allowed is 1s to 365d"),
        ("window = \"366d\"", "window: \"366d\" is too long; allowed is 1s to 365d"),
        ("max_ttl = \"999ms\"", "max_ttl: \"999ms\" is too short; allowed is 1s to 365d"),
        ("connect_timeout = \"0ms\"", "connect_timeout: \"0ms\" is too short; allowed is 100us to 1m"),
        ("connect_timeout = \"61s\"", "connect_timeout: \"61s\" is too long; allowed is 100us to 1m"),
        ("timeout = \"99us\"", "timeout: \"99us\" is too short; allowed is 100us to 5m"),
        ("timeout = \"1h\"", "timeout: \"1h\" is too long; allowed is 100us to 5m"),
        (
            "timeout = \"500\"",
            "timeout: \"500\" is not a duration; write a number and its unit (us, ms, s, m, h or d), such as \
             \"500ms\" or \"1.5s\"",
        ),
        ("timeout = \"1.5us\"", "timeout: \"1.5us\" is finer than a microsecond; write whole microseconds"),
        (
            "window = \"99999999999999999999d\"",
            "window: \"99999999999999999999d\" is too long; allowed is at most 36500d",
        ),
    ] {
        refused(&format!("[pool]\n{key}\n{ONE}"), &[&format!("2: {message}")]);
    }
    for (key, message) in [
        ("interval = \"0s\"", "interval: \"0s\" is too short; allowed is 10ms to 1h"),
        ("interval = \"2h\"", "interval: \"2h\" is too long; allowed is 10ms to 1h"),
        ("fall = 0", "fall is 0; allowed is 1 to 100"),
        ("rise = -1", "rise is -1; allowed is 1 to 100"),
        ("rise = 9223372036854775807", "rise is 9223372036854775807; allowed is 1 to 100"),
        ("deadline = \"999us\"", "deadline: \"999us\" is too short; allowed is 1ms to 1m"),
        ("deadline = \"2m\"", "deadline: \"2m\" is too long; allowed is 1ms to 1m"),
    ] {
        refused(&format!("[watch]\n{key}\n{ONE}"), &[&format!("2: {message}")]);
    }
}

#[test]
fn orders_that_are_none() {
    for (state, message) in [
        (
            "\"dwon\"",
            "state: \"dwon\" is not known (did you mean \"down\"?); allowed is \"draining\" or \"down\"",
        ),
        ("\"up\"", "state: \"up\" is not known; allowed is \"draining\" or \"down\""),
        ("\"steady\"", "state: \"steady\" is not known; allowed is \"draining\" or \"down\""),
        ("\"\"", "state: \"\" is not known; allowed is \"draining\" or \"down\""),
        ("true", "state is a boolean; it must be text in quotes, such as \"draining\" or \"down\""),
    ] {
        refused(&format!("{ONE}state = {state}\n"), &[&format!("4: {message}")]);
    }
}

#[test]
fn tables_that_nobody_would_read() {
    let more = "allows more than 0644, and a table that others can change is refused by its readers; allowed is \
                \"0644\" or less";
    let shape = "is not a mode; write its octal digits, such as \"0644\" or \"0640\"";
    for (mode, message) in [
        ("0666", more),
        ("0664", more),
        ("0755", more),
        ("7777", more),
        ("0244", "does not let the owner read the table; allowed is \"0400\" to \"0644\""),
        ("0", "does not let the owner read the table; allowed is \"0400\" to \"0644\""),
        ("", shape),
        ("0o644", shape),
        ("00644", shape),
        ("648", shape),
        ("rw-r--r--", shape),
        ("-644", shape),
    ] {
        refused(&format!("[watch]\nmode = \"{mode}\"\n{ONE}"), &[&format!("2: mode: \"{mode}\" {message}")]);
    }
    refused(
        &format!("[watch]\nmode = 644\n{ONE}"),
        &["2: mode is an integer; it must be text in quotes, such as \"0644\""],
    );
    let allowed = "write the name or the number of one, such as \"memcache\" or \"11211\"";
    for (name, wrong) in [
        ("", "\"\" is empty".to_owned()),
        ("a b", "\"a b\" is no name of a user or a group".to_owned()),
        ("a:b", "\"a:b\" is no name of a user or a group".to_owned()),
        ("-a", "\"-a\" is no name of a user or a group".to_owned()),
        ("a\\nb", "\"a\\nb\" is no name of a user or a group".to_owned()),
        ("4294967295", "\"4294967295\" is larger than 4294967294".to_owned()),
        ("99999999999999999999", "\"99999999999999999999\" is larger than 4294967294".to_owned()),
        (&"u".repeat(33), format!("\"{}\" is 33 bytes long, and a name has at most 32", "u".repeat(33))),
    ] {
        for key in ["owner", "group"] {
            refused(
                &format!("[watch]\n{key} = \"{name}\"\n{ONE}"),
                &[&format!("2: {key}: {wrong}; {allowed}")],
            );
        }
    }
}

#[test]
fn combinations_that_make_no_sense() {
    refused(
        &format!("[pool]\nconnect_timeout = \"2s\"\ntimeout = \"1s\"\n{ONE}"),
        &[
            "2: connect_timeout 2s is longer than timeout, which is 1s (line 3); a call connects within its timeout: \
         allowed is at most as long",
        ],
    );
    refused(
        &format!("[pool]\nconnect_timeout = \"501ms\"\n{ONE}"),
        &[
            "2: connect_timeout 501ms is longer than timeout, which is 500ms (the default); a call connects within \
         its timeout: allowed is at most as long",
        ],
    );
    refused(
        &format!("[pool]\nread_backup = \"always\"\nbackup = \"none\"\n{ONE}"),
        &[
            "2: read_backup = \"always\" has no backup to read, because line 3 says backup = \"none\"; remove one of \
         the two",
        ],
    );
    refused(
        "[[server]]\nname = \"a\"\naddress = \"h:1\"\nbackup = \"b\"\n[[server]]\nname = \"b\"\naddress = \"h:2\"\n[pool]\nbackup = \"none\"\n",
        &[
            "4: backup = \"b\" is given, but line 9 says backup = \"none\" for the whole pool; remove this one, or \
         write backup = \"pairs\" there",
        ],
    );
}

#[test]
fn names_and_paths() {
    let long = "n".repeat(65);
    let rule = "a name has 1 to 64 bytes, without spaces and control characters";
    for (name, wrong) in [
        ("", "\"\" is empty".to_owned()),
        ("a b", "\"a b\" has a space or a control character".to_owned()),
        ("a\\tb", "\"a\\tb\" has a space or a control character".to_owned()),
        ("a\\u00a0b", "\"a\\u{a0}b\" has a space or a control character".to_owned()),
        (long.as_str(), format!("\"{long}\" is 65 bytes long")),
    ] {
        refused(&format!("[pool]\nname = \"{name}\"\n{ONE}"), &[&format!("2: name: {wrong}; {rule}")]);
        refused(&format!("{ONE}name = \"{name}\"\n"), &[&format!("4: name: {wrong}; {rule}")]);
    }
    accepted(&format!("[pool]\nname = \"{}\"\n{ONE}", "n".repeat(64)));

    let path = format!("unix:/{}", "d".repeat(70));
    refused(
        &format!("[[server]]\naddress = \"{path}\"\n"),
        &[&format!(
            "2: the address is no name for the server: \"{path}\" is 76 bytes long; {rule}; give it one with name"
        )],
    );
    accepted(&format!("[[server]]\nname = \"s\"\naddress = \"{path}\"\n"));

    for (origin, line) in [("my pool.toml", 2), ("my\npool.toml", 2)] {
        let shown = origin.escape_debug();
        let stem = origin.trim_end_matches(".toml").escape_debug().to_string();
        let message = config::parse(origin, &format!("\n[pool]\n{ONE}")).unwrap_err().to_string();
        let wrong = format!("\"{stem}\" has a space or a control character");
        assert_eq!(
            message,
            format!(
                "{shown}:{line}: the file's name is no name for the pool: {wrong}; {rule}; give it one in [pool]"
            )
        );
    }

    for (path, message) in [
        ("t", "\"t\" is not absolute; write the path from / on, since every process must find it"),
        ("", "\"\" is not absolute; write the path from / on, since every process must find it"),
        ("/run/", "\"/run/\" is a directory; write the path of a file"),
        ("/run/..", "\"/run/..\" is a directory; write the path of a file"),
        ("/run/a\\u0000b", "\"/run/a\\0b\" has a control character; write the path of a file"),
    ] {
        refused(&format!("[pool]\ntable = \"{path}\"\n{ONE}"), &[&format!("2: table: {message}")]);
    }
}

#[test]
fn addresses_and_weights() {
    let wrong = |text: &str| text.parse::<Address>().unwrap_err();
    refused("[[server]]\naddress = \"h:99999\"\n", &[&format!("2: address: {}", wrong("h:99999"))]);
    refused(
        &format!("[proxy]\nlisten = [\"h:2\",\n\"h:x\"]\n{ONE}"),
        &[&format!("3: listen: {}", wrong("h:x"))],
    );
    refused(
        "\n[[server]]\nname = \"s1\"\n",
        &["2: this server has no address; add one, such as address = \"127.0.0.1:11211\""],
    );
    refused(&format!("{ONE}weight = 0\n"), &["4: weight is 0; allowed is 1 to 4096"]);
    refused(&format!("{ONE}weight = 4097\n"), &["4: weight is 4097; allowed is 1 to 4096"]);
    assert_eq!(slots(&accepted(&format!("{ONE}weight = 4096\n"))).len(), 4096);
    let two = format!("{ONE}weight = 4000\n[[server]]\naddress = \"h:2\"\n\nweight = 96\n");
    assert_eq!(slots(&accepted(&two)).len(), 4096);
    refused(
        &two.replace("96", "1000"),
        &[
            "8: with this server the pool has more than 4096 slots (the weights add up to 5000); make the weights smaller",
        ],
    );
}

#[test]
fn repeats_name_both_lines() {
    let two = |first: &str, second: &str| format!("[[server]]\n{first}\n[[server]]\n{second}\n");
    let address =
        "is already the one on line 2; a server is listed once, with a larger weight if it is to hold more";
    refused(&two("address = \"h:1\"", "address = \"h:1\""), &[&format!("4: address \"h:1\" {address}")]);
    refused(
        &two("address = \"h:1\"\nname = \"a\"", "name = \"b\"\naddress = \"h:1\""),
        &[&format!("6: address \"h:1\" {address}")],
    );
    let name = "is already that of the server on line";
    refused(
        &two("name = \"a\"\naddress = \"h:1\"", "name = \"a\"\naddress = \"h:2\""),
        &[&format!("5: the name \"a\" {name} 2; every server needs its own")],
    );
    refused(
        &two("address = \"h:1\"", "name = \"h:1\"\naddress = \"h:2\""),
        &[&format!("4: the name \"h:1\" {name} 2; every server needs its own")],
    );
    refused(
        &format!("[proxy]\nlisten = [\n\"h:2\",\n\"h:2\"\n]\n{ONE}"),
        &["4: listen: \"h:2\" is already a listening address on line 3; name another one"],
    );
    refused(
        &format!("[proxy]\nlisten = [\"h:1\"]\n{ONE}"),
        &["2: listen: \"h:1\" is already a server's address on line 5; name another one"],
    );
    refused(
        &format!("[proxy]\nlisten = []\n{ONE}"),
        &["2: listen is empty; name at least one address, or leave the section [proxy] out"],
    );
}

#[test]
fn repeats_that_toml_itself_forbids_name_both_lines_too() {
    for (text, message) in [
        (
            "[pool]\nname = \"a\"\n\nname = \"b\"\n",
            "4: the key \"name\" is already on line 2; it may be written once",
        ),
        (
            "[pool]\nname = \"a\"\n[[server]]\naddress = \"h:1\"\n[[server]]\naddress = \"h:2\"\n\"address\" = \"h:3\"\n",
            "7: the key \"address\" is already on line 6; it may be written once",
        ),
        (
            "[pool]\n\n[watch]\n\n  [pool]\n",
            "5: the section \"pool\" is already on line 1; it may be written once",
        ),
        (
            "[[server]]\naddress = \"h:1\"\n[server]\n",
            "3: the section \"server\" is already on line 1; it may be written once",
        ),
        ("[pool]\nname = { a = 1, a = 2 }\n", "2: not TOML: duplicate key"),
    ] {
        refused(text, &[message]);
    }
}

#[test]
fn backups_that_back_up_nothing() {
    let two = |backup: &str| {
        format!(
            "[[server]]\nname = \"s1\"\naddress = \"h:1\"\nbackup = \"{backup}\"\n[[server]]\nname = \"s2\"\naddress = \"h:2\"\n"
        )
    };
    let own = "4: the server would be its own backup; name another server, or leave backup out for pairs";
    refused(&two("s1"), &[own]);
    refused(&two("t9"), &["4: backup: no server is named \"t9\"; the servers are \"s1\" and \"s2\""]);
    refused(
        &two("s"),
        &["4: backup: no server is named \"s\" (did you mean \"s1\"?); the servers are \"s1\" and \"s2\""],
    );
    refused(&two("h:2"), &["4: backup: no server is named \"h:2\"; the servers are \"s1\" and \"s2\""]);
    refused("[[server]]\naddress = \"h:1\"\nbackup = \"h:1\"\n", &[&own.replace("4:", "3:")]);

    refused(
        "[[server]]\naddress = \"h:1\"\nbackup = \"other:1\"\n",
        &["3: backup: no server is named \"other:1\"; the only server is \"h:1\""],
    );

    let many: String = (0..40).map(|port| format!("[[server]]\naddress = \"h:{}\"\n", 100 + port)).collect();
    refused(
        &format!("{many}backup = \"x\"\n"),
        &["81: backup: no server is named \"x\"; allowed is the name of another server"],
    );
    // The one it means is refused for its name; that is one mistake, not two.
    refused(
        &two("s2").replace("name = \"s2\"", "name = \"s 2\""),
        &[
            "6: name: \"s 2\" has a space or a control character; a name has 1 to 64 bytes, without spaces and control \
         characters",
        ],
    );
}

#[test]
fn what_is_not_toml() {
    for (text, line) in [
        ("[pool]\nname = sessions\n", 2),
        ("[pool\nname = \"x\"\n", 1),
        ("[pool]\nname = \"x\n", 2),
        ("[pool]\n\nname\n", 3),
        ("[pool]\nname = \"\"\"\nx\n", 3),
        ("[proxy]\nlisten = [\"h:1\",\n", 2),
        ("[]\n", 1),
        ("= 1\n", 1),
        ("[pool]\nname = \"\u{1}\"\n", 2),
    ] {
        let message = refusal(text);
        assert!(message.starts_with(&format!("pool.toml:{line}: not TOML: ")), "{message}\n{text}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn all_problems_come_together_in_the_order_of_their_lines() {
    refused(
        "[proxy]\nlisten = []\n[[server]]\nname = \"s1\"\n[pool]\nwindow = \"1\"\ncolor = 1\n[watch]\nfall = 0\n",
        &[
            "2: listen is empty; name at least one address, or leave the section [proxy] out",
            "3: this server has no address; add one, such as address = \"127.0.0.1:11211\"",
            "6: window: \"1\" is not a duration; write a number and its unit (us, ms, s, m, h or d), such as \"500ms\" \
             or \"1.5s\"",
            "7: unknown key \"color\" in [pool]; allowed are name, distribution, backup, read_backup, window, max_ttl, \
             connect_timeout, timeout and table",
            "9: fall is 0; allowed is 1 to 100",
        ],
    );
}

#[test]
fn a_hostile_file_gets_a_message_of_bearable_length() {
    let long = "x".repeat(500_000);
    for text in [
        format!("[pool]\nname = \"{long}\"\n"),
        format!("[pool]\n{long} = 1\n"),
        format!("[pool]\nbackup = \"{long}\"\n"),
        format!("[pool]\ntimeout = \"{}s\"\n", "1".repeat(500_000)),
        format!("[pool]\ntimeout = \"1.{}s\"\n", "1".repeat(500_000)),
        format!("[[server]]\naddress = \"{long}\"\n"),
        format!("[pool]\nname = {}\n", "[".repeat(500_000)),
        (0..20_000).map(|port| format!("[[server]]\naddress = \"h:{port}\"\nbackup = \"x\"\n")).collect(),
        format!("[{}]\n", vec!["a"; 250_000].join(".")),
        format!("[pool]\n{} = 1\n", vec!["a"; 250_000].join(".")),
    ] {
        for line in refusal(&text).lines() {
            assert!(line.len() < 2_000, "{} bytes", line.len());
        }
    }
}
