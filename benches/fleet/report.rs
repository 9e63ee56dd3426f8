//! The figures as a table for people, and as JSON for programs.

use std::fmt::Write as _;

use crate::figures::{StageFigures, Switch};

/// One run.
#[derive(Debug)]
pub struct Run {
    /// What happened to the server.
    pub fault: &'static str,
    /// Who watched.
    pub daemon: &'static str,
    /// Stage by stage.
    pub stages: Vec<StageFigures>,
    /// When the processes noticed that the server was gone.
    pub away: Switch,
    /// And that it was back.
    pub back: Switch,
    /// How often the server was flushed, and how often all the others were.
    pub flushed: [u64; 2],
}

fn millis(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}

impl Run {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!("Server {}; {}\n", self.fault, self.daemon);
        let _ = writeln!(
            text,
            "  {:<28}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>7}{:>9}{:>9}{:>6}{:>7}",
            "",
            "calls/s",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "failed",
            "stale",
            "foreign",
            "missing",
            "late",
            "load"
        );
        for stage in &self.stages {
            let [p50, p99, p999, most] = stage.micros.map(millis);
            let [stale, foreign, missing] = stage.wrong;
            let _ = writeln!(
                text,
                "  {:<28}{:>9.0}{p50:>9}{p99:>9}{p999:>9}{most:>9}{:>8}{stale:>7}{foreign:>9}{missing:>9}{:>6}{:>6.0}%",
                stage.name,
                stage.per_second,
                stage.failed,
                stage.late,
                100.0 * stage.busy
            );
        }
        text += &switch("gone", &self.away);
        text += &switch("back", &self.back);
        let [flushed, others] = self.flushed;
        let _ = writeln!(text, "  flushed: {flushed}");
        if others > 0 {
            let _ = writeln!(
                text,
                "  OTHER SERVERS WERE FLUSHED ({others}): healthy ones were taken for hung, as on a machine that \
                 has too much to do"
            );
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let stages: Vec<_> = self.stages.iter().map(stage_json).collect();
        format!(
            "{{\"fault\":\"{}\",\"daemon\":\"{}\",\"flushed\":{:?},\"gone\":{},\"back\":{},\"stages\":[{}]}}",
            self.fault,
            self.daemon,
            self.flushed,
            switch_json(&self.away),
            switch_json(&self.back),
            stages.join(",")
        )
    }
}

fn switch(what: &str, switch: &Switch) -> String {
    let [least, middle, most] = switch.first_new.map(millis);
    let [elsewhere, concerned] = switch.longest.map(millis);
    let [failed, failed_after] = switch.failed;
    let mut text = format!(
        "  {what}: first call under the new view {least} / {middle} / {most} ms (first, middle, last process), \
         last one under the old view {} ms",
        millis(switch.last_old)
    );
    if what == "gone" {
        let _ = write!(
            text,
            ",\n        after the first contact, {} ms after the blow. Failed: {failed} meanwhile, {failed_after} \
             after it.\n        Longest call meanwhile: {elsewhere} ms of those that do not concern the server, \
             {concerned} ms of those that do",
            millis(switch.first_contact)
        );
    }
    if switch.never > 0 {
        let _ = write!(text, "; {} processes never noticed", switch.never);
    }
    text + "\n"
}

fn stage_json(stage: &StageFigures) -> String {
    let StageFigures { name, calls, per_second, micros, failed, wrong, late, busy } = stage;
    let [p50, p99, p999, most] = micros;
    let [stale, foreign, missing] = wrong;
    format!(
        "{{\"name\":\"{name}\",\"calls\":{calls},\"calls_per_second\":{per_second:.0},\"p50_us\":{p50},\"p99_us\":{p99},\
         \"p999_us\":{p999},\"max_us\":{most},\"failed\":{failed},\"stale\":{stale},\"foreign\":{foreign},\
         \"missing\":{missing},\"late\":{late},\"load\":{busy:.2}}}"
    )
}

fn switch_json(switch: &Switch) -> String {
    let Switch { first_contact, first_new, last_old, never, longest, failed } = switch;
    format!(
        "{{\"first_contact_us\":{first_contact},\"first_new_us\":{first_new:?},\"last_old_us\":{last_old},\
         \"never\":{never},\"longest_us\":{longest:?},\"failed\":{failed:?}}}"
    )
}
