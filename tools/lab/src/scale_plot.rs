//! The picture of `scale`: a panel for each interval, the share of a core against the number of connections.

use std::path::Path;

use anyhow::Result;
use kcp_plot::{self as plot, Axis, Canvas, Label, Panel, RGBColor};

use crate::scale::{Point, Strategy};

const TOP: i32 = 166;
const PANEL: i32 = 300;
/// Room for the names of the curves, to the right of each panel.
const NAMES: i32 = 150;

fn color(strategy: Strategy) -> RGBColor {
    match strategy {
        Strategy::Update => plot::RED,
        Strategy::Check => plot::AMBER,
        Strategy::Park => plot::GREEN,
        Strategy::Next => plot::BLUE,
    }
}

fn distinct<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}

pub fn draw(path: &Path, points: &[Point], subtitle: &str, sweep: u32) -> Result<()> {
    let mut libraries: Vec<&str> = points.iter().map(|p| p.library.as_str()).collect();
    libraries.sort_unstable_by_key(|library| points.iter().position(|p| p.library == *library));
    libraries.dedup();
    let intervals = distinct(points.iter().map(|p| p.interval));
    let counts: Vec<f64> = distinct(points.iter().map(|p| p.connections))
        .into_iter()
        .map(|n| n as f64)
        .collect();
    let shares = points.iter().flat_map(|p| [p.spread.0, p.spread.1]);
    let (low, high) = shares
        .map(|share| share * 100.0)
        .fold((100.0f64, 0.1f64), |(low, high), share| {
            (low.min(share), high.max(share))
        });

    let columns = intervals.len().clamp(1, 2) as i32;
    let rows = (intervals.len() as i32 + columns - 1) / columns;
    let row = PANEL + 80;
    let title = "Many connections: what KCP and its timers take of one core";
    let lines = [
        subtitle,
        &format!(
            "update: ikcp_update on each connection every {sweep} ms. check: when ikcp_check says so."
        ),
        "park: check, but idle connections have no timer. next: when ikcpx_next says so, sent at once.",
        "Bars: from the lowest second to the highest.",
    ];
    let canvas = Canvas::new(path, TOP + rows * row - 30, title, &lines)?;
    let step = (plot::WIDTH - 20) / columns;
    for (index, interval) in intervals.iter().enumerate() {
        let left = 70 + step * (index as i32 % columns);
        let top = TOP + row * (index as i32 / columns);
        let panel = Panel {
            left,
            top,
            right: left + step - 60 - NAMES,
            bottom: top + PANEL,
            x: Axis::at_values(&counts, "connections"),
            y: Axis::logarithmic(low.max(0.01), high, "% of one core"),
        };
        panel.frame(&canvas, &format!("Flush interval {interval} ms"))?;
        let mut labels = Vec::new();
        for (index, library) in libraries.iter().enumerate() {
            for strategy in Strategy::ALL {
                let own: Vec<&Point> = points
                    .iter()
                    .filter(|p| p.library == *library)
                    .filter(|p| p.interval == *interval && p.strategy == strategy)
                    .collect();
                for point in &own {
                    let spread = (point.spread.0 * 100.0, point.spread.1 * 100.0);
                    panel.spread(&canvas, point.connections as f64, spread, color(strategy))?;
                }
                let curve: Vec<(f64, f64)> = own
                    .iter()
                    .map(|p| (p.connections as f64, p.in_library * 100.0))
                    .collect();
                for &(x, y) in &curve {
                    canvas.dot(panel.at(x, y), 3, color(strategy))?;
                }
                let name = match libraries.len() {
                    1 => strategy.name().to_string(),
                    _ => format!("{}, {library}", strategy.name()),
                };
                labels.extend(curve.last().map(|&(x, y)| Label {
                    text: name,
                    color: color(strategy),
                    end: panel.at(x, y),
                }));
                if index == 0 {
                    panel.curve(&canvas, curve, color(strategy), 2)?;
                } else {
                    panel.dashed_curve(&canvas, &curve, color(strategy), 1)?;
                }
            }
        }
        panel.labels(&canvas, labels)?;
    }
    canvas.finish()
}
