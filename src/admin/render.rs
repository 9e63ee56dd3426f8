//! How a pool is, for a person: a header and a table. Pure.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::report::{Line, Report};
use super::text::{ago, clean, number, size};

/// The report as it is printed at `now` (milliseconds since 1970).
pub fn report(report: &Report, now: u64) -> String {
    let mut text = header(report);
    text.push('\n');
    text.push_str(&table(report, now));
    text
}

fn header(report: &Report) -> String {
    let mut facts = vec![clean(&report.attendance).into_owned()];
    if let (Some(writer), true) = (report.writer, report.attended) {
        facts[0] = format!("attended by process {writer}");
    }
    facts.extend(report.generation.map(|generation| format!("generation {generation}")));
    facts.extend(report.sweep.map(|sweep| format!("sweep {sweep}")));
    let mut text = format!("pool {}   {}\n", clean(&report.pool), clean(&report.file));
    if let Some(table) = &report.table {
        text.push_str(&format!("table {}   {}\n", clean(table), facts.join(", ")));
    } else {
        text.push_str(&format!("{}\n", facts.join(", ")));
    }
    match report.states {
        "last" => text.push_str("the states are the table's last: clients go on from them by themselves\n"),
        "assumed" => text.push_str("the states are assumed, from what is ordered and who answers here\n"),
        _ => {}
    }
    if !report.lists_agree {
        text.push_str("the pool file names other servers than the table, whose list is shown\n");
    }
    if let Some(sweep) = &report.sweep_progress {
        text.push_str(&format!("{}\n", sweep.line(report.attended)));
        text.extend(sweep.refusals().map(|refusals| format!("       {refusals}\n")));
    }
    text
}

fn table(report: &Report, now: u64) -> String {
    // Where no server has a name of its own, one column says it.
    let named = report.servers.iter().any(|server| server.name != server.address);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut titles = vec!["SERVER"];
    titles.extend(named.then_some("ADDRESS"));
    titles.extend(["STATE", "SINCE", "BACKUP", "ITEMS", "MEMORY", "HITS", "WHY"]);
    let numbers = titles.len() - 4..titles.len() - 1;
    table.set_header(titles);
    for server in &report.servers {
        table.add_row(row(server, named, now));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn row(server: &Line, named: bool, now: u64) -> Vec<String> {
    let dash = || "-".to_owned();
    let or_dash = |text: Option<String>| text.unwrap_or_else(dash);
    let mut row = vec![clean(&server.name).into_owned()];
    row.extend(named.then(|| clean(&server.address).into_owned()));
    row.push(server.state.to_owned());
    row.push(or_dash(server.since_millis.map(|since| ago(since, now))));
    row.push(or_dash(server.backup.as_ref().map(|backup| clean(backup).into_owned())));
    row.push(or_dash(server.items.map(number)));
    row.push(match (server.memory_used, server.memory_limit) {
        (Some(used), Some(limit)) => format!("{} / {}", size(used), size(limit)),
        (Some(used), None) => size(used),
        _ => dash(),
    });
    row.push(or_dash(server.hit_rate.map(|rate| format!("{:.1} %", rate * 100.0))));
    row.push(why(server));
    row
}

/// Why it is in its state, and what else is worth a word.
fn why(server: &Line) -> String {
    let mut words: Vec<String> = Vec::new();
    if !server.reason.is_empty() {
        words.push(clean(&server.reason).into_owned());
    }
    // One that is down by order is held back by that.
    if server.held_back && !server.ordered {
        words.push("it answers, and its flush is held back".to_owned());
    }
    let ordered = match (server.order, server.state) {
        ("down", state) if state != "down" => Some("ordered down"),
        ("draining", state) if state != "draining" && state != "down" => Some("ordered to drain"),
        _ => None,
    };
    words.extend(ordered.map(str::to_owned));
    // That one which is down cannot be asked is no news.
    match &server.unreachable {
        Some(wrong) if server.state != "down" => words.push(format!("cannot be asked: {}", clean(wrong))),
        _ => {}
    }
    words.join("; ")
}

#[cfg(test)]
mod tests;
