//! docs/memcachectl.md is a contract: the documents have its fields, in its order and of its types, and the help has
//! its exit statuses.

use memcache::rules::view::State;
use memcache::table::Progress;
use serde_json::Value;

use super::*;

/// A field of the description: its name and what it may be.
#[derive(Debug)]
struct Field {
    name: String,
    types: Vec<String>,
}

fn description() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/memcachectl.md")).expect("the page")
}

/// The rows of the first table below a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = description();
    let (_, below) = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let lines =
        below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

fn fields(heading: &str) -> Vec<Field> {
    let field = |row: &Vec<String>| Field {
        name: row[0].trim_matches('`').to_owned(),
        types: row[1].split(" or ").map(str::to_owned).collect(),
    };
    rows(heading).iter().map(field).collect()
}

/// Whether a value is of a type of the description; a word in backquotes is the value itself.
fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "list" => value.is_array(),
        "text" => value.is_string(),
        "time" => value.as_str().is_some_and(|text| {
            let shape: String = text.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
            shape == "0000-00-00T00:00:00Z"
        }),
        word => value.as_str().is_some_and(|text| word == format!("`{text}`")),
    }
}

/// Demands that an object has these fields and no others, each of its type. The order is that of the text: the
/// keys at this depth of a document that is printed with indentation.
fn obeys(object: &Value, printed: &str, indent: usize, heading: &str) {
    let fields = fields(heading);
    assert!(fields.len() > 2, "{heading} describes {fields:?}");
    let object = object.as_object().unwrap_or_else(|| panic!("{heading}: no object"));
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(object.len(), names.len(), "{heading}: {object:?}");
    for field in &fields {
        let value = object.get(&field.name).unwrap_or_else(|| panic!("{heading}: no {}", field.name));
        assert!(field.types.iter().any(|kind| is_of(value, kind)), "{heading}: {} is {value}", field.name);
    }
    let start = format!("{}\"", " ".repeat(indent));
    let keys = printed.lines().filter_map(|line| line.strip_prefix(&start)?.split_once("\":")).map(|it| it.0);
    let keys: Vec<&str> = keys.collect();
    assert!(!keys.is_empty(), "{heading}: nothing is printed at {indent}");
    assert!(keys.chunks(names.len()).all(|some| some == names), "{heading}: {keys:?}");
}

fn document(world: &World, arguments: &[&str]) -> (Value, String) {
    let printed = world.demand(0, arguments);
    (serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}")), printed)
}

fn status(world: &World) -> Value {
    let (status, printed) = document(world, &["status", "--json"]);
    obeys(&status, &printed, 2, "### `memcachectl status --json`");
    for server in status["servers"].as_array().expect("servers") {
        obeys(server, &printed, 6, "### A server of `status`");
    }
    if !status["sweep_progress"].is_null() {
        obeys(&status["sweep_progress"], &printed, 4, "### The sweep of `status`");
    }
    status
}

fn places(world: &World) -> Value {
    let (places, printed) = document(world, &["where", "user:42", "--json"]);
    obeys(&places, &printed, 2, "### `memcachectl where KEY --json`");
    for place in places["places"].as_array().expect("places") {
        obeys(place, &printed, 6, "### A place of `where`");
    }
    places
}

#[test]
fn documents_are_as_they_are_described() {
    let mut world = World::new(4);
    world.servers[0].ask("set k 0 0 1\r\nv\r\nget k\r\n", "END").expect("it answers");
    let daemon = world.daemon();
    daemon.say("s2", State::Returned, 60, "restarted");
    daemon.say("s3", State::Down, 60, "connection refused");
    world.servers[2].kill();
    world.rewrite("name = \"s4\"\n", "name = \"s4\"\nstate = \"draining\"\n");
    daemon.say("s1", State::Steady, 60, "it answers");

    let found = status(&world);
    assert_eq!(
        (&found["pool"], &found["attended"], &found["sweep"]),
        (&"shop".into(), &true.into(), &"running".into())
    );
    assert_eq!((&found["states"], &found["writer"]), (&"table".into(), &std::process::id().into()));
    let servers = found["servers"].as_array().unwrap();
    let states: Vec<_> = servers.iter().map(|server| server["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["steady", "returned", "down", "draining"]);
    assert_eq!((&servers[0]["items"], &servers[0]["hit_rate"]), (&1.into(), &1.0.into()));
    assert_eq!(servers[0]["pid"], world.servers[0].pid());
    assert_eq!(
        (&servers[2]["unreachable"], &servers[2]["items"]),
        (&"connection refused".into(), &Value::Null)
    );
    assert_eq!(servers[3]["order"], "draining");
    let ordered: Vec<_> = servers.iter().map(|server| server["ordered"].as_bool().unwrap()).collect();
    assert_eq!(ordered, [false, false, false, true], "one is down by itself");
    let found = places(&world);
    assert_eq!(
        (&found["home"], &found["backup"], &found["states"]),
        (&"s4".into(), &"s3".into(), &"table".into())
    );

    assert_eq!(found["sweep_progress"], Value::Null);
    daemon.twist(|snapshot| snapshot.sweep = Some(sweeps::half_done()));
    let found = status(&world);
    let sweep = &found["sweep_progress"];
    assert_eq!((&sweep["keys"], &sweep["keys_total"]), (&521_000.into(), &1_000_000.into()));
    assert_eq!((&sweep["servers"], &sweep["servers_done"]), (&3.into(), &1.into()));
    assert_eq!((&sweep["done"], &sweep["refused"]), (&0.52.into(), &2.into()));
    daemon.twist(|snapshot| snapshot.sweep = Some(Progress { began: 1, ..Progress::default() }));
    let found = status(&world);
    let sweep = &found["sweep_progress"];
    let unknown = [&sweep["keys_total"], &sweep["done"], &sweep["seconds_left"]];
    assert!(unknown.iter().all(|value| value.is_null()), "{sweep}");

    drop(daemon);
    assert_eq!((&status(&world)["states"], &places(&world)["states"]), (&"last".into(), &"last".into()));
    world.rewrite("table = ", "# table = ");
    let found = status(&world);
    assert_eq!(
        (&found["states"], &found["table"], &found["sweep"]),
        (&"assumed".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(places(&world)["states"], "assumed");
}

#[test]
fn no_server_is_live() {
    let world = World::new(1);
    world.rewrite("table = ", "# table = ");
    world.rewrite("name = \"s1\"\n", "name = \"s1\"\nstate = \"down\"\n");
    let found = places(&world);
    assert_eq!(
        (&found["acting"], &found["mirror"], &found["home"]),
        (&Value::Null, &Value::Null, &"s1".into())
    );
    assert_eq!(found["places"], serde_json::json!([]));
}

#[test]
fn the_help_has_the_exit_statuses_of_the_page() {
    let help = ended(program().arg("--help")).out;
    let page = rows("## Exit statuses");
    assert_eq!(page.len(), 5);
    for row in page {
        let what = row[1].split(';').next().expect("a beginning");
        let (status, start) = (&row[0], what.split(',').next().expect("a beginning"));
        assert!(help.contains(&format!("  {status}  {start}")), "{status} {start}:\n{help}");
    }
}

/// The manual has every command, each of its options, and the exit statuses of the page.
#[test]
fn the_manual_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/src/memcachectl.1");
    let page = fs::read_to_string(path).expect("the manual").replace("\\-", "-");
    let words = |line: &str| -> Vec<String> {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '-';
        line.split(|letter| !is_part(letter)).map(str::to_owned).collect()
    };
    let help = ended(program().arg("--help")).out;
    let (_, commands) = help.split_once("Commands:\n").expect("commands");
    let (commands, _) = commands.split_once("\n\n").expect("their end");
    // A line that goes on from the one before is indented further.
    let command = |line: &'_ str| {
        line.strip_prefix("  ")?.split(' ').next().filter(|word| !word.is_empty()).map(str::to_owned)
    };
    let commands: Vec<String> = commands.lines().filter_map(command).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let entry = |line: &&str| line.starts_with(".B") && words(line).contains(&command);
        assert!(page.lines().any(|line| entry(&line)), "no {command}");
        let help = ended(program().args([command.as_str(), "--help"])).out;
        for option in help.split_whitespace().filter(|word| word.starts_with("--") && *word != "--help") {
            let option = words(option).concat();
            assert!(words(&page).contains(&option), "{command} has {option}");
        }
    }
    let page = page.replace('\n', " ");
    for row in rows("## Exit statuses") {
        let mut what = row[1].clone();
        what[..1].make_ascii_uppercase();
        assert!(page.contains(&format!(".B {} {what}.", row[0])), "{row:?}");
    }
}

/// The description's own types are recognised: else it would describe nothing.
#[test]
fn types_are_told_apart() {
    assert!(is_of(&"2026-11-24T22:27:55Z".into(), "time") && !is_of(&"2026-11-24".into(), "time"));
    assert!(is_of(&"down".into(), "`down`") && !is_of(&"up".into(), "`down`"));
    assert!(is_of(&1.into(), "integer") && !is_of(&1.5.into(), "integer") && !is_of(&Value::Null, "text"));
}
