//! The picture of `throughput`: a column for each round-trip time; above what is delivered against the window with the formula
//! and the link as dashed lines, below what it costs.

use std::path::Path;

use anyhow::Result;
use plotters::style::{Color, RGBColor};

use crate::plot::{self, Anchor, Axis, Canvas, Panel};
use crate::throughput::Point;

const WIDTH: i32 = 1600;
const HEIGHT: i32 = 1000;
const COLORS: [RGBColor; 6] = [
    plot::GREEN,
    plot::BLUE,
    plot::AMBER,
    plot::RED,
    plot::PURPLE,
    plot::CYAN,
];

fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = distinct(values.filter(|value| *value > 0.0));
    match (values.first(), values.last()) {
        (Some(low), Some(high)) => (low * 0.8, high * 1.25),
        _ => (1.0, 10.0),
    }
}

pub fn draw(path: &Path, points: &[Point], subtitle: &str) -> Result<()> {
    let canvas = Canvas::new(path, (WIDTH as u32, HEIGHT as u32))?;
    let title = "What one connection carries, and what it costs";
    canvas.text((50, 42), title, 30, plot::TEXT, Anchor::Left)?;
    canvas.text((50, 78), subtitle, 17, plot::FAINT, Anchor::Left)?;
    let losses = distinct(points.iter().map(|p| p.loss));
    legend(&canvas, &losses)?;

    let rtts = distinct(points.iter().map(|p| p.rtt));
    let windows = range(points.iter().map(|p| f64::from(p.window)));
    let capacity = points.iter().filter_map(|p| p.capacity);
    let rates = range(
        points
            .iter()
            .map(|p| p.delivered / 1e6)
            .chain(capacity.map(|c| c / 1e6)),
    );
    let costs = range(
        points
            .iter()
            .map(|p| p.nanos_per_kib)
            .chain(points.iter().filter_map(|p| p.original)),
    );
    let step = (WIDTH - 100) / rtts.len().max(1) as i32;
    for (column, rtt) in rtts.iter().enumerate() {
        let own: Vec<&Point> = points.iter().filter(|p| p.rtt == *rtt).collect();
        let left = 110 + step * column as i32;
        let panel = |top, bottom, y| Panel {
            left,
            top,
            right: left + step - 80,
            bottom,
            x: Axis::logarithmic(windows.0, windows.1, "window, segments")
                .ticks_at(&distinct(points.iter().map(|p| f64::from(p.window)))),
            y,
        };
        let rate = panel(
            190,
            540,
            Axis::logarithmic(rates.0, rates.1, "MB/s delivered"),
        );
        rate.frame(&canvas, &format!("RTT {rtt} ms"))?;
        let cost = panel(
            650,
            920,
            Axis::logarithmic(costs.0, costs.1, "CPU, ns per KiB"),
        );
        cost.frame(&canvas, "Time in the library, both ends")?;
        if own.iter().any(|p| p.original.is_some()) {
            let (y, right) = (cost.top + 18, cost.left + 150);
            canvas.text((right, y), "the original", 14, plot::FAINT, Anchor::Right)?;
            canvas.dashed((right - 138, y), (right - 94, y), plot::FAINT.to_rgba(), 2)?;
        }
        if let Some(capacity) = own.first().and_then(|p| p.capacity) {
            let y = rate.at(windows.0, capacity / 1e6).1;
            canvas.dashed((rate.left, y), (rate.right, y), plot::TEXT.to_rgba(), 2)?;
            canvas.text(
                (rate.left + 8, y - 12),
                "the link",
                14,
                plot::TEXT,
                Anchor::Left,
            )?;
        }
        for (index, loss) in losses.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let curve = |value: fn(&Point) -> f64| -> Vec<(f64, f64)> {
                own.iter()
                    .filter(|p| p.loss == *loss)
                    .map(|p| (f64::from(p.window), value(p)))
                    .collect()
            };
            let original: Vec<(i32, i32)> = own
                .iter()
                .filter(|p| p.loss == *loss)
                .filter_map(|p| Some(cost.at(f64::from(p.window), p.original?)))
                .collect();
            for pair in original.windows(2) {
                canvas.dashed(pair[0], pair[1], color.mix(0.8), 2)?;
            }
            formula(&canvas, &rate, &curve(|p| p.formula / 1e6), rates.1, color)?;
            for (panel, curve) in [
                (&rate, curve(|p| p.delivered / 1e6)),
                (&cost, curve(|p| p.nanos_per_kib)),
            ] {
                for &(x, y) in &curve {
                    canvas.dot(panel.at(x, y), 4, color)?;
                }
                panel.curve(&canvas, curve, color, 3)?;
            }
        }
    }
    canvas.finish()
}

/// window * (1 - loss) / RTT, as far as the panel goes: a straight line on logarithmic axes.
fn formula(
    canvas: &Canvas,
    panel: &Panel,
    curve: &[(f64, f64)],
    highest: f64,
    color: RGBColor,
) -> Result<()> {
    let (Some(&first), Some(&last)) = (curve.first(), curve.last()) else {
        return Ok(());
    };
    let beyond = (last.1 / highest).max(1.0);
    let end = (last.0 / beyond, last.1 / beyond);
    canvas.dashed(
        panel.at(first.0, first.1),
        panel.at(end.0, end.1),
        color.mix(0.6),
        1,
    )
}

fn legend(canvas: &Canvas, losses: &[f64]) -> Result<()> {
    let mut left = 50;
    for (index, loss) in losses.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        canvas.dot((left + 6, 122), 6, color)?;
        let text = format!("{loss} % lost each way");
        canvas.text((left + 20, 122), &text, 17, plot::TEXT, Anchor::Left)?;
        left += 230;
    }
    canvas.dashed((left, 122), (left + 50, 122), plot::FAINT.to_rgba(), 2)?;
    let text = "window * (1 - loss) / RTT";
    canvas.text((left + 62, 122), text, 17, plot::TEXT, Anchor::Left)
}
