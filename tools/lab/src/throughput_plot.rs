//! The picture of `throughput`: a row for each round-trip time; on the left the rate against the window, on the right the cost.

use std::path::Path;

use anyhow::Result;
use kcp_plot::{self as plot, Axis, Canvas, Color, Label, Panel, RGBColor};

use crate::throughput::Point;

const TOP: i32 = 116;
const ROW: i32 = 200;
const GAP: i32 = 78;
/// Left and right ends of the two columns; the names of the curves are to the right of each.
const RATE: [i32; 2] = [80, 352];
const COST: [i32; 2] = [522, 764];
const COLORS: [RGBColor; 6] = [
    plot::GREEN,
    plot::BLUE,
    plot::AMBER,
    plot::RED,
    plot::PURPLE,
    plot::CYAN,
];

const NOTE: &str = "Left, thin dashes: window * (1 - loss) / RTT. Right, bars: up to the cost of the cheapest whole run.";

fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// Each value once, in the order of first appearance.
fn in_order<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

fn axis(values: impl Iterator<Item = f64>, label: &str) -> Axis {
    let values = distinct(values.filter(|value| *value > 0.0));
    match (values.first(), values.last()) {
        (Some(low), Some(high)) => Axis::logarithmic(*low, *high, label),
        _ => Axis::logarithmic(1.0, 10.0, label),
    }
}

pub fn draw(path: &Path, points: &[Point], subtitle: &str) -> Result<()> {
    let modes = in_order(points.iter().map(|p| p.mode.as_str()));
    let losses = in_order(points.iter().map(|p| p.loss));
    let kinds = in_order(points.iter().map(|p| (p.mode.as_str(), p.loss)));
    let rtts = distinct(points.iter().map(|p| p.rtt));
    let windows = distinct(points.iter().map(|p| f64::from(p.window)));
    let capacity = points.iter().filter_map(|p| p.capacity);
    let rates = axis(
        points
            .iter()
            .map(|p| p.delivered)
            .chain(capacity)
            .map(|bytes| bytes / 1e6),
        "MB/s",
    );
    let costs = axis(points.iter().flat_map(Point::costs), "ns per KiB");
    let has_original = points.iter().any(|p| p.original.is_some());

    let height = TOP + (ROW + GAP) * rtts.len() as i32 - 20;
    let title = "What one connection carries, and what it costs";
    let canvas = Canvas::new(path, height, title, &[subtitle, NOTE])?;
    for (row, rtt) in rtts.iter().enumerate() {
        let top = TOP + (ROW + GAP) * row as i32;
        let panel = |[left, right]: [i32; 2], y: &Axis| Panel {
            left,
            top,
            right,
            bottom: top + ROW,
            x: Axis::at_values(&windows, "window, segments"),
            y: y.clone(),
        };
        let rate = panel(RATE, &rates);
        let cost = panel(COST, &costs);
        rate.frame(&canvas, &format!("Delivered, RTT {rtt} ms"))?;
        cost.frame(&canvas, &format!("CPU time of both ends, RTT {rtt} ms"))?;
        let own: Vec<&Point> = points.iter().filter(|p| p.rtt == *rtt).collect();
        let mut rate_labels = Vec::new();
        let mut cost_labels = Vec::new();
        if let Some(capacity) = own.first().and_then(|p| p.capacity) {
            let (from, to) = rates_line(&rate, &windows, capacity / 1e6);
            canvas.dashed(from, to, plot::TEXT.to_rgba(), 1)?;
            rate_labels.push(Label {
                text: "the link".to_string(),
                color: plot::TEXT,
                end: to,
            });
        }
        for &(mode, loss) in &kinds {
            // Colours distinguish several modes; the names beside the curves distinguish their losses.
            let (number, name) = match modes.len() {
                1 => (
                    losses.iter().position(|one| *one == loss),
                    format!("{loss} %"),
                ),
                _ => (
                    modes.iter().position(|one| *one == mode),
                    format!("{mode}, {loss} %"),
                ),
            };
            let color = COLORS[number.unwrap_or(0) % COLORS.len()];
            let is_own = |p: &&&Point| p.mode == mode && p.loss == loss;
            let curve = |value: fn(&Point) -> Option<f64>| -> Vec<(f64, f64)> {
                own.iter()
                    .filter(is_own)
                    .filter_map(|p| Some((f64::from(p.window), value(p)?)))
                    .collect()
            };
            let end = |panel: &Panel, curve: &[(f64, f64)], text: String| {
                let &(x, y) = curve.last()?;
                let end = panel.at(x, y);
                Some(Label { text, color, end })
            };
            formula(&canvas, &rate, &curve(|p| Some(p.formula / 1e6)), color)?;
            let delivered = curve(|p| Some(p.delivered / 1e6));
            dots(&canvas, &rate, &delivered, color)?;
            rate.curve(&canvas, delivered.iter().copied(), color, 2)?;
            rate_labels.extend(end(&rate, &delivered, name.clone()));

            for point in own.iter().filter(is_own) {
                cost.spread(&canvas, f64::from(point.window), point.spread, color)?;
            }
            let original = curve(|p| p.original);
            cost.dashed_curve(&canvas, &original, color, 1)?;
            let ours = curve(|p| Some(p.nanos_per_kib));
            dots(&canvas, &cost, &ours, color)?;
            cost.curve(&canvas, ours.iter().copied(), color, 2)?;
            let prefix = if has_original { "ours, " } else { "" };
            cost_labels.extend(end(&cost, &ours, format!("{prefix}{name}")));
            let text = format!("original, {name}");
            cost_labels.extend(end(&cost, &original, text));
        }
        rate.labels(&canvas, rate_labels)?;
        cost.labels(&canvas, cost_labels)?;
    }
    canvas.finish()
}

fn rates_line(panel: &Panel, windows: &[f64], rate: f64) -> ((i32, i32), (i32, i32)) {
    let low = windows.first().copied().unwrap_or(1.0);
    let y = panel.at(low, rate).1;
    ((panel.left, y), (panel.right, y))
}

fn dots(canvas: &Canvas, panel: &Panel, curve: &[(f64, f64)], color: RGBColor) -> Result<()> {
    for &(x, y) in curve {
        canvas.dot(panel.at(x, y), 3, color)?;
    }
    Ok(())
}

/// window * (1 - loss) / RTT, up to the edge of the panel: a straight line on logarithmic axes.
fn formula(canvas: &Canvas, panel: &Panel, curve: &[(f64, f64)], color: RGBColor) -> Result<()> {
    let (Some(&first), Some(&last)) = (curve.first(), curve.last()) else {
        return Ok(());
    };
    let highest = panel.y.ends().1;
    let beyond = (last.1 / highest).max(1.0);
    let end = (last.0 / beyond, last.1 / beyond);
    if end.0 <= first.0 {
        return Ok(());
    }
    canvas.dashed(
        panel.at(first.0, first.1),
        panel.at(end.0, end.1),
        color.mix(0.6),
        1,
    )
}
