//! Where keys live, as it is shown.

use super::*;
use crate::config;
use crate::rules::view::{ServerView, State};

use State::{Down, Returned, Steady};

fn shown(options: &str, states: &[State], key: &str) -> String {
    let servers: String = (1..=states.len())
        .map(|number| format!("[[server]]\nname = \"s{number}\"\naddress = \"h:{number}\"\n"))
        .collect();
    let pool = config::parse("p.toml", &format!("[pool]\n{options}\n{servers}")).unwrap().pool;
    let mut view = View::new(pool.into());
    view.refresh(1, states.iter().map(|&state| ServerView { state, ..ServerView::default() }));
    let home = places::home(&view.pool, key.as_bytes()).unwrap();
    picture(key, &view, home, Placement::of(&view, key.as_bytes()).as_ref())
}

#[test]
fn all_is_well() {
    let expected = "\
key user:42
  home     s4 (h:4), steady
  acting   s4 (h:4), steady; reads and writes begin here
  mirror   s3 (h:3), steady; takes the second copy of a write
  places   s4, s3; a read asks them in this order
";
    assert_eq!(shown("", &[Steady; 4], "user:42"), expected);
    let alone = shown("backup = \"none\"", &[Steady; 4], "user:42");
    assert!(alone.contains("\n  mirror   none: the pool has no backups\n  places   s4; "), "{alone}");
}

#[test]
fn home_is_down() {
    let text = shown("", &[Steady, Steady, Steady, Down], "user:42");
    assert!(text.contains("\n  home     s4 (h:4), down\n"), "{text}");
    assert!(text.contains("; stands in for home: reads and writes begin here\n"), "{text}");
    let text = shown("", &[Steady, Steady, Steady, Returned], "user:42");
    assert!(text.contains("\n  acting   s4 (h:4), returned; reads and writes begin here\n"), "{text}");
}

#[test]
fn none_is_there() {
    let text = shown("", &[Down; 2], "k");
    assert!(
        text.ends_with("\n  acting   none: no server of the pool is live, and every call fails at once\n"),
        "{text}"
    );
    let most = shown("", &[Steady, Down, Down, Down], "user:42");
    assert!(most.contains("\n  but      most servers are down: "), "{most}");
    let most = shown("", &[Down, Down, Down, Returned], "user:42");
    assert!(most.contains("\n  but      most servers are down: "), "{most}");
    let no_second_copy = shown("", &[Down, Down, Down, Steady], "user:42");
    assert!(no_second_copy.contains("\n  but      most servers are down: "), "{no_second_copy}");
    let home_is_all = shown("backup = \"none\"", &[Down, Down, Down, Steady], "user:42");
    assert!(!home_is_all.contains("  but  "), "{home_is_all}");
}

#[test]
fn a_hostile_key_does_nothing() {
    let text = shown("", &[Steady; 2], "k\u{1b}[2J\u{202e}");
    assert!(text.starts_with("key k\\u{1b}[2J\\u{202e}\n"), "{text}");
}
