//! The picture of `contend`: the rate of each flow, the queueing delay and Jain's index, over the time of the run.

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use kcp_plot::{self as plot, Axis, Canvas, Color, Label, Panel, RGBColor};

use crate::bottleneck::BIN;
use crate::contend::{Race, fairness};
use crate::link::{Micros, UDP_IP_HEADERS};
use crate::table::Summary;
use crate::tally::Tally;

const TOP: i32 = 118;
const LEFT: i32 = 76;
/// Right end of the panels; the names of the curves are to the right of it.
const RIGHT: i32 = 690;
const RATES: i32 = 240;
const LOWER: i32 = 110;
const GAP: i32 = 46;
/// Height of a name beside a curve.
const NAME: i32 = 15;
/// The most points of a curve: half a second each, or longer.
const POINTS: usize = 150;

const NOTE: &str =
    "The table is for the time after the vertical dashes, and so are the rates beside the curves.";

/// A stretch of the run, which is one point of each curve.
struct Step {
    second: f64,
    rates: Vec<f64>,
    waits: Option<Summary>,
}

fn steps(race: &Race) -> Vec<Step> {
    let bins = race.bins();
    let width = 5.max(bins.div_ceil(POINTS));
    let step = |start: usize| {
        let range: Range<usize> = start..(start + width).min(bins);
        let flows = 0..race.flows.len();
        let all = Tally::sum(
            &flows
                .map(|flow| race.tally(flow, range.clone()))
                .collect::<Vec<_>>(),
        );
        let middle = (range.start + range.end) as Micros * BIN / 2;
        Step {
            second: middle as f64 / 1e6,
            rates: race.rates(range),
            waits: all.queueing(),
        }
    };
    (0..bins).step_by(width).map(step).collect()
}

pub fn draw(path: &Path, race: &Race, subtitle: &str) -> Result<()> {
    let steps = steps(race);
    let count = race.flows.len() as i32;
    let rates_height = RATES.max(NAME * (count + 2));
    let height = TOP + rates_height + 2 * (GAP + LOWER) + 56;
    let title = "Flows that share one link";
    let canvas = Canvas::new(path, height, title, &[subtitle, NOTE])?;
    let time = Axis::linear(0.0, race.outcome.length as f64 / 1e6, 10, "time, s");
    let panel = |top: i32, height: i32, y: Axis, last: bool| Panel {
        left: LEFT,
        top,
        right: RIGHT,
        bottom: top + height,
        x: match last {
            true => time.clone(),
            false => time.clone().without_labels(),
        },
        y,
    };
    let second = TOP + rates_height + GAP;
    rates(&canvas, race, &steps, |y| {
        panel(TOP, rates_height, y, false)
    })?;
    waits(&canvas, race, &steps, |y| panel(second, LOWER, y, false))?;
    index(&canvas, race, &steps, |y| {
        panel(second + LOWER + GAP, LOWER, y, true)
    })?;
    canvas.finish()
}

/// A dashed line at the time from which figures count.
fn begin(canvas: &Canvas, panel: &Panel, race: &Race) -> Result<()> {
    let x = panel.at(race.from as f64 / 1e6, 0.0).0;
    canvas.dashed((x, panel.top), (x, panel.bottom), plot::FAINT.to_rgba(), 1)
}

/// A horizontal dashed line with its name.
fn limit(canvas: &Canvas, panel: &Panel, value: f64, name: &str) -> Result<Label> {
    let end = panel.at(panel.x.ends().1, value);
    canvas.dashed((panel.left, end.1), end, plot::TEXT.to_rgba(), 1)?;
    Ok(Label {
        text: name.to_string(),
        color: plot::TEXT,
        end,
    })
}

/// A curve with its name at its end.
fn curve(
    canvas: &Canvas,
    panel: &Panel,
    points: &[(f64, f64)],
    color: RGBColor,
    name: String,
) -> Result<Option<Label>> {
    panel.curve(canvas, points.iter().copied(), color, 2)?;
    Ok(points.last().map(|&(x, y)| Label {
        text: name,
        color,
        end: panel.at(x, y),
    }))
}

fn rates(
    canvas: &Canvas,
    race: &Race,
    steps: &[Step],
    panel: impl Fn(Axis) -> Panel,
) -> Result<()> {
    // The share of full packets that is payload.
    let payload = 1376.0 / (1400 + UDP_IP_HEADERS) as f64;
    let capacity = race.link.bandwidth.unwrap_or(0) as f64 / 1e6 * payload;
    let highest = steps
        .iter()
        .flat_map(|step| &step.rates)
        .fold(capacity, |high, rate| high.max(rate / 1e6));
    let panel = panel(Axis::linear(0.0, highest, 5, "Mbit/s"));
    panel.frame(canvas, "What each flow delivers")?;
    begin(canvas, &panel, race)?;
    let mut labels = vec![limit(canvas, &panel, capacity, "the link")?];
    let means = race.rates((race.from / BIN) as usize..race.bins());
    for (flow, one) in race.flows.iter().enumerate() {
        let points: Vec<(f64, f64)> = steps
            .iter()
            .filter_map(|step| Some((step.second, step.rates.get(flow)? / 1e6)))
            .collect();
        let mean = means.get(flow).map_or(0.0, |rate| rate / 1e6);
        let color = plot::SERIES[flow % plot::SERIES.len()];
        let name = format!("{mean:.1}  {}", one.name);
        labels.extend(curve(canvas, &panel, &points, color, name)?);
    }
    panel.labels(canvas, labels)
}

fn waits(
    canvas: &Canvas,
    race: &Race,
    steps: &[Step],
    panel: impl Fn(Axis) -> Panel,
) -> Result<()> {
    let queue = race.link.queue as f64 / 1e3;
    let panel = panel(Axis::linear(0.0, queue, 4, "ms"));
    panel.frame(canvas, "How long packets wait in the queue")?;
    begin(canvas, &panel, race)?;
    let mut labels = vec![limit(canvas, &panel, queue, "the queue is full")?];
    for (name, color, pick) in [
        (
            "99 % of the packets",
            plot::RED,
            (|s| s.p99) as fn(Summary) -> u64,
        ),
        ("half of them", plot::BLUE, |s| s.p50),
    ] {
        let points: Vec<(f64, f64)> = steps
            .iter()
            .filter_map(|step| Some((step.second, pick(step.waits?) as f64 / 1e3)))
            .collect();
        labels.extend(curve(canvas, &panel, &points, color, name.to_string())?);
    }
    panel.labels(canvas, labels)
}

fn index(
    canvas: &Canvas,
    race: &Race,
    steps: &[Step],
    panel: impl Fn(Axis) -> Panel,
) -> Result<()> {
    let panel = panel(Axis::linear(0.0, 1.0, 4, ""));
    panel.frame(
        canvas,
        "Jain's index of the flows that have started: 1 is equal shares",
    )?;
    begin(canvas, &panel, race)?;
    let points: Vec<(f64, f64)> = steps
        .iter()
        .filter_map(|step| Some((step.second, fairness(&step.rates)?)))
        .collect();
    let means = race.rates((race.from / BIN) as usize..race.bins());
    let name = fairness(&means).map_or(String::new(), |index| format!("{index:.2}"));
    let label = curve(canvas, &panel, &points, plot::PURPLE, name)?;
    panel.labels(canvas, label.into_iter().collect())
}
