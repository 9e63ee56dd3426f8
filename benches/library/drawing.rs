//! What grows, as a drawing: a panel for each axis, a line for each subject, both scales logarithmic. SVG, so that it
//! can be looked at in a browser and compared as text.

use std::fmt::Write as _;

use crate::growth::Grown;
use crate::programs::SUBJECTS;

/// A panel, in pixels, without what is written around it.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
/// What is written around it has so much room.
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const BELOW: f64 = 40.0;
const COLOURS: [&str; SUBJECTS.len()] = ["#c22", "#26c", "#888"];

/// From the least value to the greatest, in powers of ten.
struct Scale {
    low: f64,
    high: f64,
    pixels: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone, whole: bool, pixels: f64) -> Scale {
        let logs = values.map(|value| value.max(1e-6).log10());
        let (low, high) =
            (logs.clone().fold(f64::INFINITY, f64::min), logs.fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if whole { (low.floor(), high.ceil()) } else { (low, high) };
        // One value alone, or none, has no extent.
        let (low, high) = if low < high { (low, high) } else { (-0.5, 0.5) };
        Scale { low, high, pixels }
    }

    fn at(&self, value: f64) -> f64 {
        (value.max(1e-6).log10() - self.low) / (self.high - self.low) * self.pixels
    }

    /// Powers of ten within it.
    fn tens(&self) -> impl Iterator<Item = f64> + use<> {
        (self.low.ceil() as i32..=self.high.floor() as i32).map(|power| 10f64.powi(power))
    }
}

/// Draws them, two in a row.
pub fn svg(all: &[Grown]) -> String {
    let (across, down) = (LEFT + WIDTH + 30.0, TOP + HEIGHT + BELOW);
    let rows = all.len().div_ceil(2) as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        across * 2.0,
        down * rows + 30.0
    );
    for (number, grown) in all.iter().enumerate() {
        let (x, y) = ((number % 2) as f64 * across + LEFT, (number / 2) as f64 * down + TOP);
        let _ = writeln!(text, "<g transform=\"translate({x:.0} {y:.0})\">");
        panel(&mut text, grown);
        text.push_str("</g>\n");
    }
    for (number, (name, colour)) in SUBJECTS.iter().zip(COLOURS).enumerate() {
        let (x, y) = (LEFT + number as f64 * 130.0, down * rows + 15.0);
        let _ = writeln!(text, "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{colour}\">&#9632; {name}</text>");
    }
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, grown: &Grown) {
    let across = Scale::of(grown.points.iter().map(|(at, _)| *at as f64), false, WIDTH);
    let up = Scale::of(grown.points.iter().flat_map(|(_, micros)| *micros), true, HEIGHT);
    let _ = writeln!(text, "<text y=\"-12\" font-weight=\"bold\">{}</text>", grown.grows.title());
    for ten in up.tens() {
        let y = HEIGHT - up.at(ten);
        let _ = writeln!(
            text,
            "<path d=\"M0 {y:.1}H{WIDTH}\" stroke=\"#ddd\"/><text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{ten}</text>",
            y + 4.0
        );
    }
    for (at, _) in &grown.points {
        let (x, y) = (across.at(*at as f64), HEIGHT + 18.0);
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} 0V{HEIGHT}\" stroke=\"#eee\"/><text x=\"{x:.1}\" y=\"{y:.1}\" \
             text-anchor=\"middle\">{at}</text>"
        );
    }
    for (subject, colour) in COLOURS.iter().enumerate() {
        let places = grown.points.iter().map(|(at, micros)| {
            format!("{:.1},{:.1}", across.at(*at as f64), HEIGHT - up.at(micros[subject]))
        });
        let places: Vec<_> = places.collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
    }
}
