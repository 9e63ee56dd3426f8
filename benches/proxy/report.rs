//! The figures of a subject, as a line of a table and as JSON.

use std::fmt::Write as _;

/// What was measured at one depth.
#[derive(Clone, Debug, Default)]
pub struct AtDepth {
    /// So many requests under way on a connection.
    pub depth: usize,
    /// Requests in a second, in each round.
    pub per_second: Vec<f64>,
    /// How long requests took in microseconds, in each round: half of them not longer than this.
    pub p50: Vec<f64>,
    /// And 99 of a hundred.
    pub p99: Vec<f64>,
    /// Processor time of the subject for a request in microseconds, in each round.
    pub cpu: Vec<f64>,
    /// System calls of the subject for a request; by name.
    pub calls: Vec<(String, f64)>,
}

/// All about one subject.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Who it is.
    pub name: String,
    /// Whether one process does everything: only then its cost says something.
    pub one_process: bool,
    /// By depth.
    pub depths: Vec<AtDepth>,
    /// Bytes of a connection that was never used, and of one that was.
    pub connection: Option<[f64; 2]>,
}

/// The one in the middle; 0 of none.
pub fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

impl AtDepth {
    fn all_calls(&self) -> f64 {
        self.calls.iter().map(|(_, calls)| calls).sum()
    }
}

/// The heads of the columns.
pub fn head() -> String {
    format!(
        "{:<26}{:>6}{:>10}{:>20}{:>9}{:>9}{:>9}{:>9}",
        "", "depth", "ops/s", "(least-most)", "p50 us", "p99 us", "cpu us", "calls"
    )
}

impl Figures {
    /// For people: a line for each depth.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for at in &self.depths {
            let least = at.per_second.iter().copied().fold(f64::INFINITY, f64::min);
            let most = at.per_second.iter().copied().fold(0.0, f64::max);
            let _ = write!(
                text,
                "{:<26}{:>6}{:>10.0}{:>20}{:>9.0}{:>9.0}",
                self.name,
                at.depth,
                middle(&at.per_second),
                format!("({least:.0}-{most:.0})"),
                middle(&at.p50),
                middle(&at.p99)
            );
            if self.one_process {
                let calls = at.all_calls();
                let calls = if calls > 0.0 { format!("{calls:.2}") } else { "-".to_owned() };
                let _ = write!(text, "{:>9.2}{calls:>9}", middle(&at.cpu));
            }
            text.push('\n');
        }
        text
    }

    /// For people: what a connection costs.
    pub fn memory(&self) -> Option<String> {
        let [fresh, used] = self.connection?.map(|bytes| bytes / 1024.0);
        Some(format!("{:<26}{fresh:>10.1} KiB{used:>14.1} KiB", self.name))
    }

    /// For programs.
    pub fn json(&self) -> String {
        let depths: Vec<_> = self.depths.iter().map(AtDepth::json).collect();
        let connection = self.connection.map_or("null".to_owned(), |bytes| format!("{bytes:.0?}"));
        format!(
            "{{\"name\":\"{}\",\"bytes_per_connection\":{connection},\"depths\":[{}]}}",
            self.name,
            depths.join(",")
        )
    }
}

impl AtDepth {
    fn json(&self) -> String {
        let calls: Vec<_> = self.calls.iter().map(|(name, calls)| format!("\"{name}\":{calls:.4}")).collect();
        format!(
            "{{\"depth\":{},\"ops_per_second\":{:.0?},\"p50_us\":{:.1?},\"p99_us\":{:.1?},\"cpu_us\":{:.3?},\
             \"system_calls\":{{{}}}}}",
            self.depth,
            self.per_second,
            self.p50,
            self.p99,
            self.cpu,
            calls.join(",")
        )
    }
}

/// What the second is of the first, at each depth.
pub fn compared(subject: &Figures, with: &Figures) -> String {
    let pairs = subject.depths.iter().zip(&with.depths).map(|(ours, theirs)| {
        format!(
            "depth {}: {:.2} x ops/s, p99 {:.2} x",
            ours.depth,
            middle(&ours.per_second) / middle(&theirs.per_second),
            middle(&ours.p99) / middle(&theirs.p99)
        )
    });
    format!("{} to {}: {}", subject.name, with.name, pairs.collect::<Vec<_>>().join("; "))
}
