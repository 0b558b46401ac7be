//! The other picture of `latency`: what late messages cost in bytes. Modes that differ in their redundancy make a curve.

use std::path::Path;

use anyhow::Result;
use kcp_plot::{self as plot, Anchor, Axis, Canvas, Panel, RGBColor};

use crate::latency::Series;
use crate::table::Summary;

const TOP: i32 = 112;
const BOTTOM: i32 = 372;
/// Left and right end of the panels.
const MEAN: [i32; 2] = [74, 436];
const P99: [i32; 2] = [528, 884];

/// A series as a point: the mode without its redundancy, the budget, and where it lies.
struct Point<'a> {
    base: &'a str,
    budget: Option<&'a str>,
    color: RGBColor,
    bytes: f64,
    mean: f64,
    p99: f64,
}

/// What a point is worth on one axis.
type Value = fn(&Point) -> f64;

/// `KCP fast+flush` and `20%` of `KCP fast+flush+20%`.
fn parts(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('+') {
        Some((base, budget)) if budget.ends_with('%') => (base, Some(budget)),
        _ => (name, None),
    }
}

fn point(one: &Series) -> Option<Point<'_>> {
    let summary = Summary::of(&one.sorted())?;
    let (base, budget) = parts(&one.name);
    Some(Point {
        base,
        budget,
        color: one.color,
        bytes: one.overhead()?,
        mean: summary.mean / 1e3,
        p99: summary.p99 as f64 / 1e3,
    })
}

/// `quantity` is what was measured.
pub fn draw(
    path: &Path,
    series: &[Series],
    title: &str,
    subtitle: &str,
    quantity: &str,
) -> Result<()> {
    let points: Vec<Point> = series.iter().filter_map(point).collect();
    let canvas = Canvas::new(path, BOTTOM + 50, title, &[subtitle])?;
    let values = |value: Value| points.iter().map(value);
    let most = values(|p| p.bytes).fold(1.0, f64::max);
    let least = values(|p| p.bytes).fold(most, f64::min);
    let margin = (most - least).max(0.1) / 16.0;
    let panels: [(_, _, Value); 2] = [(MEAN, "mean", |p| p.mean), (P99, "p99", |p| p.p99)];
    for ([left, right], name, value) in panels {
        let high = values(value).fold(1.0, f64::max);
        let low = values(value).fold(high, f64::min);
        let room = (high - low).max(high / 10.0) / 8.0;
        let panel = Panel {
            left,
            top: TOP,
            right,
            bottom: BOTTOM,
            x: Axis::linear(
                (least - margin).max(1.0),
                most + margin,
                8,
                "bytes on the wire for a byte of payload",
            ),
            y: Axis::linear((low - room).max(0.0), high + room, 5, "ms"),
        };
        panel.frame(&canvas, &format!("{quantity}, {name}"))?;
        curves(&canvas, &panel, &points, value)?;
    }
    canvas.finish()
}

fn curves(canvas: &Canvas, panel: &Panel, points: &[Point], value: Value) -> Result<()> {
    for (index, one) in points.iter().enumerate() {
        let own = || points.iter().filter(|other| other.base == one.base);
        // One colour for a curve.
        let color = own().next().map_or(one.color, |first| first.color);
        if points[..index].iter().all(|before| before.base != one.base) {
            let mut curve: Vec<(f64, f64)> = own().map(|p| (p.bytes, value(p))).collect();
            curve.sort_by(|a, b| a.0.total_cmp(&b.0));
            panel.curve(canvas, curve, color, 2)?;
        }
        let at = panel.at(one.bytes, value(one));
        canvas.dot(at, 5, color)?;
        // A curve falls to the right, so that there is room below it on the left.
        if let Some(budget) = one.budget {
            let beside = (at.0 - 7, at.1 + 13);
            canvas.text(beside, budget, plot::SMALL, color, Anchor::Right)?;
        } else {
            let half = plot::width(one.base, plot::SMALL) / 2;
            let x = at.0.clamp(panel.left + half + 4, panel.right - half - 4);
            canvas.text((x, at.1 - 16), one.base, plot::SMALL, color, Anchor::Middle)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_what_follows_the_mode() {
        let with = parts("KCP fast+flush+20%");
        assert_eq!(with, ("KCP fast+flush", Some("20%")));
        assert_eq!(parts("KCP turbo+20ms"), ("KCP turbo+20ms", None));
        assert_eq!(parts("TCP bbr"), ("TCP bbr", None));
    }
}
