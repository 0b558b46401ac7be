//! Cost against window, as a picture.

use std::path::Path as File;

use anyhow::Result;
use kcp_plot::{self as plot, Axis, Canvas, Label, Panel, RGBColor};

use crate::link::Path;
use crate::measure::{Measured, Plan};
use crate::scenarios::{Line, Per, Scenario, Target, Work, messages, steady};
use crate::subject::{Role, Subject};

const WINDOWS: [u32; 11] = [
    32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768,
];
const PANELS: [(&str, &str, Path); 2] = [
    (
        "curve",
        "no loss, 20 ms",
        Path {
            delay: 20,
            jitter: 0,
            loss: 0.0,
            rate: 0,
        },
    ),
    (
        "curve-loss",
        "1 % loss, 20 to 40 ms",
        Path {
            delay: 20,
            jitter: 20,
            loss: 0.01,
            rate: 0,
        },
    ),
];
/// Left and right ends of the panels; the names of the curves are to the right of each.
const SIDES: [[i32; 2]; 2] = [[84, 350], [530, 796]];

/// Measures the windows and writes the picture; the two largest windows under loss are left out of quick runs.
pub fn curve(
    subjects: &[Subject],
    repetitions: usize,
    seed: u64,
    quick: bool,
    svg: &File,
    csv: Option<&File>,
) -> Result<()> {
    let mut scenarios = Vec::new();
    for (name, title, path) in PANELS {
        for window in WINDOWS {
            let slow = path.loss > 0.0 && window > 8192;
            if quick && slow {
                continue;
            }
            let mut work = messages(1376, window, path, 0);
            work.total = steady(&work).max(16_000_000);
            scenarios.push(Scenario {
                name,
                work: Work::Transfer(work),
                lines: vec![Line {
                    title,
                    per: Per::Kib,
                    target: Target::None,
                }],
                slow,
            });
        }
    }
    let results = Plan {
        scenarios,
        repetitions,
        seed,
    }
    .run(subjects)?;
    draw(&results, subjects, svg)?;
    if let Some(csv) = csv {
        write_csv(&results, subjects, csv)?;
    }
    println!("{}", svg.display());
    Ok(())
}

/// Name, window and medians, in the order of the runs.
fn medians<'a>(
    results: &'a [Measured],
    subjects: &'a [Subject],
) -> impl Iterator<Item = (&'static str, u32, usize, f64)> + 'a {
    results.iter().flat_map(|measured| {
        let Work::Transfer(work) = measured.scenario.work else {
            unreachable!("the curve consists of transfers")
        };
        (0..subjects.len()).filter_map(move |subject| {
            let figure = measured.figure(subject, Per::Kib)?;
            Some((measured.scenario.name, work.window, subject, figure.median))
        })
    })
}

fn write_csv(results: &[Measured], subjects: &[Subject], csv: &File) -> Result<()> {
    let mut file = csv::Writer::from_path(csv)?;
    file.write_record(["panel", "window", "implementation", "nanoseconds_per_kib"])?;
    for (name, window, subject, median) in medians(results, subjects) {
        file.write_record([
            name,
            &window.to_string(),
            &subjects[subject].name,
            &format!("{median:.1}"),
        ])?;
    }
    file.flush()?;
    Ok(())
}

fn draw(results: &[Measured], subjects: &[Subject], svg: &File) -> Result<()> {
    let title = "CPU time per KiB delivered, against the window";
    let lines = [
        "Messages of 1,376 bytes; medians, bars from the lowest run to the highest.",
        "null: a protocol that only copies, and does nothing about loss.",
    ];
    let canvas = Canvas::new(svg, 426, title, &lines)?;
    let windows: Vec<f64> = WINDOWS.map(f64::from).into();
    let figures = || {
        let all = results.iter().enumerate();
        all.flat_map(|(at, _)| (0..subjects.len()).map(move |subject| (at, subject)))
            .filter_map(|(at, subject)| Some((at, subject, results[at].figure(subject, Per::Kib)?)))
    };
    let lowest = figures()
        .map(|(.., f)| f.lowest)
        .fold(f64::INFINITY, f64::min);
    let highest = figures().map(|(.., f)| f.highest).fold(0.0, f64::max);
    for ([left, right], (name, title, _)) in SIDES.into_iter().zip(PANELS) {
        let panel = Panel {
            left,
            top: 112,
            right,
            bottom: 372,
            x: Axis::at_values(&windows, "window, segments"),
            y: Axis::logarithmic(lowest, highest, "ns per KiB"),
        };
        panel.frame(&canvas, title)?;
        let mut labels = Vec::new();
        for (index, subject) in subjects.iter().enumerate() {
            let color = color(subjects, index);
            let mut curve = Vec::new();
            for (at, _, figure) in figures().filter(|(_, of, _)| *of == index) {
                let Work::Transfer(work) = results[at].scenario.work else {
                    unreachable!("the curve consists of transfers")
                };
                if results[at].scenario.name == name {
                    let window = f64::from(work.window);
                    panel.spread(&canvas, window, (figure.lowest, figure.highest), color)?;
                    canvas.dot(panel.at(window, figure.median), 3, color)?;
                    curve.push((window, figure.median));
                }
            }
            labels.extend(curve.last().map(|&(x, y)| Label {
                text: subject.name.clone(),
                color,
                end: panel.at(x, y),
            }));
            let width = if subject.role == Role::Ours { 3 } else { 2 };
            panel.curve(&canvas, curve, color, width)?;
        }
        panel.labels(&canvas, labels)?;
    }
    canvas.finish()
}

/// Grey for what is not an implementation; otherwise one colour each, in order.
fn color(subjects: &[Subject], index: usize) -> RGBColor {
    let before = subjects[..index].iter();
    match subjects[index].role {
        Role::Null => plot::FAINT,
        _ => {
            let number = before.filter(|subject| subject.role != Role::Null).count();
            plot::SERIES[number % plot::SERIES.len()]
        }
    }
}
