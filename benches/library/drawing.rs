//! Lines as a drawing: panels, two in a row, each with its lines and scales. SVG, so that it can be looked at in a browser
//! and compared as text. What `make bench-growth` and `make soak` draw.

use std::fmt::Write as _;

/// A panel, in pixels, without what is written around it.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
/// What is written around it has so much room.
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const BELOW: f64 = 40.0;

/// What a panel's scales are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scales {
    /// Both logarithmic; a mark at each point.
    #[allow(dead_code, reason = "each program that draws has its own")]
    Logarithmic,
    /// Both from zero on.
    #[allow(dead_code, reason = "each program that draws has its own")]
    Linear,
}

/// A line of a panel.
pub struct Line {
    /// As SVG has it.
    pub colour: &'static str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// One drawing of several.
pub struct Panel {
    /// What stands above it.
    pub title: String,
    /// Its scales.
    pub scales: Scales,
    /// What is in it.
    pub lines: Vec<Line>,
}

/// From the least value to the greatest.
struct Scale {
    scales: Scales,
    low: f64,
    high: f64,
    pixels: f64,
}

impl Scale {
    fn of(scales: Scales, values: impl Iterator<Item = f64>, whole: bool, pixels: f64) -> Scale {
        let (low, high) = values
            .map(|value| place(scales, value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = match scales {
            Scales::Logarithmic if whole => (low.floor(), high.ceil()),
            Scales::Logarithmic => (low, high),
            Scales::Linear => (0.0, high),
        };
        // One value alone, or none, has no extent.
        let (low, high) = if low < high { (low, high) } else { (-0.5, 0.5) };
        Scale { scales, low, high, pixels }
    }

    fn at(&self, value: f64) -> f64 {
        (place(self.scales, value) - self.low) / (self.high - self.low) * self.pixels
    }

    /// Where its lines are: at powers of ten, or at quarters.
    fn marks(&self) -> Vec<f64> {
        match self.scales {
            Scales::Logarithmic => {
                (self.low.ceil() as i32..=self.high.floor() as i32).map(|power| 10f64.powi(power)).collect()
            }
            Scales::Linear => (0..=4).map(|quarter| self.high * f64::from(quarter) / 4.0).collect(),
        }
    }
}

fn place(scales: Scales, value: f64) -> f64 {
    if scales == Scales::Logarithmic { value.max(1e-6).log10() } else { value }
}

/// Draws them. `legend`: names and their colours.
pub fn svg(all: &[Panel], legend: &[(&str, &str)]) -> String {
    let (across, down) = (LEFT + WIDTH + 30.0, TOP + HEIGHT + BELOW);
    let rows = all.len().div_ceil(2) as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        across * 2.0,
        down * rows + 30.0
    );
    for (number, panel) in all.iter().enumerate() {
        let (x, y) = ((number % 2) as f64 * across + LEFT, (number / 2) as f64 * down + TOP);
        let _ = writeln!(text, "<g transform=\"translate({x:.0} {y:.0})\">");
        draw(&mut text, panel);
        text.push_str("</g>\n");
    }
    for (number, (name, colour)) in legend.iter().enumerate() {
        let (x, y) = (LEFT + number as f64 * 130.0, down * rows + 15.0);
        let _ = writeln!(text, "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{colour}\">&#9632; {name}</text>");
    }
    text.push_str("</svg>\n");
    text
}

fn draw(text: &mut String, panel: &Panel) {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let across = Scale::of(panel.scales, points().map(|(at, _)| *at), false, WIDTH);
    let up = Scale::of(panel.scales, points().map(|(_, value)| *value), true, HEIGHT);
    let _ = writeln!(text, "<text y=\"-12\" font-weight=\"bold\">{}</text>", panel.title);
    for mark in up.marks() {
        let y = HEIGHT - up.at(mark);
        let _ = writeln!(
            text,
            "<path d=\"M0 {y:.1}H{WIDTH}\" stroke=\"#ddd\"/><text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
            y + 4.0
        );
    }
    let marks = match (panel.scales, panel.lines.first()) {
        (Scales::Logarithmic, Some(line)) => line.points.iter().map(|(at, _)| *at).collect(),
        _ => across.marks(),
    };
    for mark in marks {
        let (x, y) = (across.at(mark), HEIGHT + 18.0);
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} 0V{HEIGHT}\" stroke=\"#eee\"/><text x=\"{x:.1}\" y=\"{y:.1}\" \
             text-anchor=\"middle\">{mark}</text>"
        );
    }
    for Line { colour, points } in &panel.lines {
        let places = points.iter().map(|(x, y)| format!("{:.1},{:.1}", across.at(*x), HEIGHT - up.at(*y)));
        let places: Vec<_> = places.collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
    }
}
