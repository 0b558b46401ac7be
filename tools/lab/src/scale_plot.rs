//! The picture of `scale`: a panel for each interval, the share of a core against the number of connections.

use std::path::Path;

use anyhow::Result;
use plotters::style::RGBColor;

use crate::plot::{self, Anchor, Axis, Canvas, Panel};
use crate::scale::{Point, Strategy};

const WIDTH: i32 = 1600;
const HEIGHT: i32 = 760;

fn color(strategy: Strategy) -> RGBColor {
    match strategy {
        Strategy::Update => plot::RED,
        Strategy::Check => plot::AMBER,
        Strategy::Park => plot::GREEN,
    }
}

fn distinct<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}

pub fn draw(path: &Path, points: &[Point], subtitle: &str, sweep: u32) -> Result<()> {
    let canvas = Canvas::new(path, (WIDTH as u32, HEIGHT as u32))?;
    let title = "Many connections: what KCP and its timers take of one core";
    canvas.text((50, 42), title, 30, plot::TEXT, Anchor::Left)?;
    canvas.text((50, 78), subtitle, 17, plot::FAINT, Anchor::Left)?;
    let mut libraries: Vec<&str> = points.iter().map(|p| p.library.as_str()).collect();
    libraries.dedup();
    let libraries: Vec<&str> = libraries
        .iter()
        .copied()
        .take(2.min(libraries.len()))
        .collect();
    legend(&canvas, &libraries, sweep)?;

    let intervals = distinct(points.iter().map(|p| p.interval));
    let counts: Vec<f64> = distinct(points.iter().map(|p| p.connections))
        .into_iter()
        .map(|n| n as f64)
        .collect();
    let shares = points.iter().map(|p| p.in_library * 100.0);
    let (low, high) = shares.fold((100.0f64, 0.1f64), |(low, high), share| {
        (low.min(share), high.max(share))
    });
    let step = (WIDTH - 100) / intervals.len().max(1) as i32;
    for (column, interval) in intervals.iter().enumerate() {
        let left = 120 + step * column as i32;
        let panel = Panel {
            left,
            top: 200,
            right: left + step - 90,
            bottom: 680,
            x: Axis::logarithmic(
                counts.first().unwrap_or(&1.0) * 0.9,
                counts.last().unwrap_or(&1.0) * 1.1,
                "connections",
            )
            .ticks_at(&counts),
            y: Axis::logarithmic((low * 0.8).max(0.01), high * 1.25, "% of one core"),
        };
        panel.frame(&canvas, &format!("Flush interval {interval} ms"))?;
        for (index, library) in libraries.iter().enumerate() {
            for strategy in Strategy::ALL {
                let curve: Vec<(f64, f64)> = points
                    .iter()
                    .filter(|p| p.library == *library)
                    .filter(|p| p.interval == *interval && p.strategy == strategy)
                    .map(|p| (p.connections as f64, p.in_library * 100.0))
                    .collect();
                for &(x, y) in &curve {
                    canvas.dot(panel.at(x, y), 5, color(strategy))?;
                }
                if index == 0 {
                    panel.curve(&canvas, curve, color(strategy), 3)?;
                } else {
                    for pair in curve.windows(2) {
                        let [from, to] = [pair[0], pair[1]].map(|(x, y)| panel.at(x, y));
                        canvas.dashed(from, to, color(strategy).into(), 2)?;
                    }
                }
            }
        }
    }
    canvas.finish()
}

fn legend(canvas: &Canvas, libraries: &[&str], sweep: u32) -> Result<()> {
    let mut left = 50;
    for strategy in Strategy::ALL {
        let text = match strategy {
            Strategy::Update => format!("ikcp_update on each, every {sweep} ms"),
            Strategy::Check => "timers set by ikcp_check".to_string(),
            Strategy::Park => "timers, idle connections parked".to_string(),
        };
        canvas.dot((left + 6, 122), 6, color(strategy))?;
        canvas.text((left + 20, 122), &text, 17, plot::TEXT, Anchor::Left)?;
        left += 60 + 9 * text.len() as i32;
    }
    for (index, library) in libraries.iter().enumerate().filter(|_| libraries.len() > 1) {
        let (from, to) = ((left, 122), (left + 46, 122));
        if index == 0 {
            canvas.line(vec![from, to], plot::TEXT.into(), 3)?;
        } else {
            canvas.dashed(from, to, plot::TEXT.into(), 2)?;
        }
        canvas.text((left + 56, 122), library, 17, plot::TEXT, Anchor::Left)?;
        left += 90 + 10 * library.len() as i32;
    }
    Ok(())
}
