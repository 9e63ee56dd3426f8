//! Edits as texts before and after, and files of every habit.

use super::*;
use crate::config;
use proptest::prelude::*;

/// A file of somebody with habits.
const FILE: &str = r#"# Sessions of the shop. Ask Ada before you change it.

[pool]
name = "shop"   # as in the monitoring

# The old rack.
[[server]]
name = "s1"
address = "10.0.0.1:11211"     # by the door

[[server]]   # the second one
  address = "10.0.0.2:11211"
  weight = 2
  # weight = 3

# The new rack.
[[server]]
"name" = 's3'
state = "down"  # since Monday
address = "10.0.0.3:11211"
backup = "10.0.0.2"

[watch]
fall = 3
"#;

/// The lines that are only in the first, with `-`, and only in the second, with `+`.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (before.split('\n').collect(), after.split('\n').collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let tail =
        old[same..].iter().rev().zip(new[same..].iter().rev()).take_while(|(old, new)| old == new).count();
    let gone = old[same..old.len() - tail].iter().map(|line| format!("-{line}"));
    gone.chain(new[same..new.len() - tail].iter().map(|line| format!("+{line}"))).collect()
}

fn changed(edit: impl FnOnce(&str) -> Option<String>) -> Vec<String> {
    let after = edit(FILE).expect("the servers are found");
    config::parse("p.toml", &after).unwrap_or_else(|error| panic!("{error}\n{after}"));
    difference(FILE, &after)
}

#[test]
fn an_order_is_one_line() {
    assert_eq!(changed(|text| order(text, 0, Order::Down)), ["+state = \"down\""]);
    assert_eq!(changed(|text| order(text, 1, Order::Draining)), ["+  state = \"draining\""]);
    assert_eq!(
        changed(|text| order(text, 2, Order::Draining)),
        ["-state = \"down\"  # since Monday", "+state = \"draining\"  # since Monday"]
    );
    assert_eq!(changed(|text| order(text, 2, Order::Up)), ["-state = \"down\"  # since Monday"]);
    assert_eq!(order(FILE, 0, Order::Up).as_deref(), Some(FILE));
    assert_eq!(order(FILE, 2, Order::Down).as_deref(), Some(FILE));
    assert_eq!(order(FILE, 3, Order::Down), None);
}

#[test]
fn there_and_back_is_the_same_file() {
    for index in [0, 1] {
        let down = order(FILE, index, Order::Down).unwrap();
        let drains = order(&down, index, Order::Draining).unwrap();
        assert_ne!(down, drains);
        assert_eq!(order(&drains, index, Order::Up).as_deref(), Some(FILE));
    }
    let new = NewServer { address: "h:9", name: None, weight: None, backup: None };
    let more = add(FILE, &new).unwrap();
    assert_eq!(remove(&more, 3).as_deref(), Some(FILE));
}

#[test]
fn a_new_server_is_the_last_one() {
    let new = NewServer { address: "h:9", name: Some("s\"9\\"), weight: Some(4), backup: Some("s1") };
    assert_eq!(
        changed(|text| add(text, &new)),
        [
            "+[[server]]",
            "+name = \"s\\\"9\\\\\"",
            "+address = \"h:9\"",
            "+weight = 4",
            "+backup = \"s1\"",
            "+"
        ]
    );
    let parsed = config::parse("p.toml", &add(FILE, &new).unwrap()).unwrap();
    assert_eq!(parsed.pool.servers()[3].name, "s\"9\\");
    let short = add("[[server]]\naddress = \"h:1\"", &NewServer { weight: None, ..new });
    let expected = "[[server]]\naddress = \"h:1\"\n\n[[server]]\nname = \"s\\\"9\\\\\"\naddress = \"h:9\"\nbackup = \"s1\"\n";
    assert_eq!(short.as_deref(), Some(expected));
}

#[test]
fn a_removed_server_takes_its_own_comments_along() {
    assert_eq!(
        changed(|text| remove(text, 0)),
        [
            "-# The old rack.",
            "-[[server]]",
            "-name = \"s1\"",
            "-address = \"10.0.0.1:11211\"     # by the door",
            "-"
        ]
    );
    let without = remove(FILE, 1).unwrap();
    assert!(!without.contains("the second one") && !without.contains("# weight = 3"), "{without}");
    assert!(!without.contains("backup ="), "it was named as a backup:\n{without}");
    assert!(without.contains("# The new rack."), "{without}");
    // The file's own comment stays, whoever comes first.
    let text = "# ours\n[[server]]\naddress = \"h:1\"\n\n[[server]]\naddress = \"h:2\"\n";
    assert_eq!(remove(text, 0).as_deref(), Some("# ours\n[[server]]\naddress = \"h:2\"\n"));
    assert_eq!(remove(text, 1).as_deref(), Some("# ours\n[[server]]\naddress = \"h:1\"\n"));
}

#[test]
fn a_comment_before_the_next_header_is_not_the_last_ones() {
    let text = "[[server]]\naddress = \"h:1\"\n# two\n[[server]]\naddress = \"h:2\"\n# the watch\n[watch]\n";
    assert_eq!(
        remove(text, 0).as_deref(),
        Some("# two\n[[server]]\naddress = \"h:2\"\n# the watch\n[watch]\n")
    );
    assert_eq!(remove(text, 1).as_deref(), Some("[[server]]\naddress = \"h:1\"\n# the watch\n[watch]\n"));
}

#[test]
fn a_replaced_server_keeps_its_name() {
    assert_eq!(
        changed(|text| replace(text, 0, "10.0.0.9:1")),
        ["-address = \"10.0.0.1:11211\"     # by the door", "+address = \"10.0.0.9:1\"     # by the door"]
    );
    let after = replace(FILE, 1, "unix:/run/m.sock").unwrap();
    assert!(after.contains("\n  name = \"10.0.0.2:11211\"\n  address = \"unix:/run/m.sock\"\n"), "{after}");
    assert!(after.contains("\nbackup = \"10.0.0.2:11211\"\n"), "{after}");
    let (before, after) = (config::parse("p", FILE).unwrap(), config::parse("p", &after).unwrap());
    for (before, after) in before.pool.servers().iter().zip(after.pool.servers()) {
        assert_eq!((&before.name, before.backup, before.weight), (&after.name, after.backup, after.weight));
    }
}

#[test]
fn other_line_ends_stay() {
    let text = FILE.replace('\n', "\r\n");
    let new = NewServer { address: "h:9", name: None, weight: Some(2), backup: None };
    for after in [order(&text, 0, Order::Down), add(&text, &new), remove(&text, 1), replace(&text, 1, "h:9")]
    {
        let after = after.unwrap();
        assert_eq!(after.matches('\n').count(), after.matches("\r\n").count(), "{after:?}");
        config::parse("p.toml", &after).unwrap();
    }
    assert_eq!(remove(&add(&text, &new).unwrap(), 3), Some(text));
}

/// A file that is accepted: sections and keys in any order, with what people put between them.
fn file() -> impl Strategy<Value = String> {
    let between = || proptest::sample::select(vec!["", "\n", "# c\n", "\n# c\n\n", "  # [[server]]\n"]);
    let server =
        (between(), between(), any::<[bool; 4]>(), between()).prop_map(|(above, within, has, below)| {
            let [named, weighty, ordered, indented] = has;
            let indent = if indented { "\t" } else { "" };
            let mut text = format!("{above}[[server]] # h\n");
            if named {
                text.push_str(&format!("{indent}name = \"n@\"\n{within}"));
            }
            text.push_str(&format!("{indent}address = '''h@:1'''\n"));
            if weighty {
                text.push_str(&format!("{within}{indent}\"weight\"=3 # w\n"));
            }
            if ordered {
                text.push_str(&format!("{indent}state    = \"down\"\n"));
            }
            text + below
        });
    let other = proptest::sample::select(vec![
        "",
        "[watch]\nfall = 3\n",
        "\n[proxy]\nlisten = [\n\"l:1\", # [x\n]\n",
    ]);
    (proptest::collection::vec(server, 1..5), other, any::<(bool, bool)>()).prop_map(
        |(servers, other, how)| {
            let numbered =
                servers.iter().enumerate().map(|(number, text)| text.replace('@', &number.to_string()));
            let servers: String = numbered.collect();
            let text = if how.0 { format!("{servers}{other}") } else { format!("{other}{servers}") };
            if how.1 { text.trim_end().to_owned() } else { text }
        },
    )
}

proptest! {
    #[test]
    fn an_edit_changes_what_it_says_and_no_more(text in file(), index: usize, word in 0..3usize) {
        let before = config::parse("p.toml", &text).unwrap();
        let count = before.pool.servers().len();
        let index = index % count;
        let wanted = [Order::Up, Order::Draining, Order::Down][word];
        let after = config::parse("p.toml", &order(&text, index, wanted).unwrap()).unwrap();
        prop_assert_eq!(before.pool.servers(), after.pool.servers());
        for other in 0..count {
            prop_assert_eq!(after.orders[other], if other == index { wanted } else { before.orders[other] });
        }

        let after = config::parse("p.toml", &replace(&text, index, "z:1").unwrap()).unwrap();
        for (other, (was, is)) in before.pool.servers().iter().zip(after.pool.servers()).enumerate() {
            prop_assert_eq!((&was.name, was.weight, was.backup), (&is.name, is.weight, is.backup));
            prop_assert_eq!(is.address.to_string() == "z:1", other == index);
        }
        prop_assert_eq!(&before.orders, &after.orders);

        let new = NewServer { address: "z:1", name: None, weight: None, backup: None };
        let more = add(&text, &new).unwrap();
        let after = config::parse("p.toml", &more).unwrap();
        prop_assert_eq!(after.pool.servers().len(), count + 1);
        prop_assert_eq!(after.pool.servers()[count].address.to_string(), "z:1");
        let lost: Vec<_> = text.lines().filter(|line| !more.lines().any(|other| other == *line)).collect();
        prop_assert_eq!(lost, Vec::<&str>::new());

        if count > 1 {
            let after = config::parse("p.toml", &remove(&text, index).unwrap()).unwrap();
            let names = |file: &config::PoolFile| -> Vec<String> {
                file.pool.servers().iter().map(|server| server.name.clone()).collect()
            };
            let mut expected = names(&before);
            expected.remove(index);
            prop_assert_eq!(names(&after), expected);
        }
    }

    #[test]
    fn no_text_panics(text in "(\\[\\[server\\]\\]|address = \"h:1\"|[\\n\\r#\"'\\[\\]=.a]|\\PC){0,40}", index in 0..3usize) {
        let _ = order(&text, index, Order::Down);
        let _ = remove(&text, index);
        let _ = replace(&text, index, "h:1");
    }
}
