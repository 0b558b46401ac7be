//! Cost against window, as a picture.

use std::path::Path as File;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

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
        },
    ),
    (
        "curve-loss",
        "1 % loss, 20 to 40 ms",
        Path {
            delay: 20,
            jitter: 20,
            loss: 0.01,
        },
    ),
];
/// Legible on white and on black.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x12, 0x9b, 0x64),
    RGBColor(0xe0, 0x5a, 0x1c),
    RGBColor(0x3f, 0x83, 0xf8),
    RGBColor(0xb0, 0x5a, 0xd6),
    RGBColor(0xc2, 0x8a, 0x00),
    RGBColor(0xd6, 0x40, 0x7a),
];
const GREY: RGBColor = RGBColor(0x85, 0x8b, 0x93);
/// On a dark page, [`themed`] swaps these two for their counterparts.
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// One line of one panel: window and nanoseconds per KiB.
struct Curve<'a> {
    subject: &'a Subject,
    points: Vec<(f64, f64)>,
}

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
    let mut picture = String::new();
    {
        let area = SVGBackend::with_string(&mut picture, (1000, 430)).into_drawing_area();
        area.fill(&PAPER)?;
        let area = area.titled("CPU time against window, messages of 1,376 bytes", text(18))?;
        let (left, right) = area.split_horizontally(500);
        let highest = medians(results, subjects)
            .map(|(.., median)| median)
            .fold(1000.0, f64::max)
            * 1.5;
        for (area, (name, title, _)) in [left, right].iter().zip(PANELS) {
            let curves: Vec<_> = subjects
                .iter()
                .enumerate()
                .map(|(index, subject)| Curve {
                    subject,
                    points: medians(results, subjects)
                        .filter(|(panel, _, of, _)| *panel == name && *of == index)
                        .map(|(_, window, _, median)| (f64::from(window), median))
                        .collect(),
                })
                .filter(|curve| !curve.points.is_empty())
                .collect();
            panel(area, title, &curves, highest)?;
        }
        area.present()?;
    }
    std::fs::write(svg, themed(&picture))?;
    Ok(())
}

fn panel(
    area: &DrawingArea<SVGBackend, Shift>,
    title: &str,
    curves: &[Curve],
    highest: f64,
) -> Result<()> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(15))
        .margin(10)
        .margin_right(18)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            (28f64..40_000f64).log_scale().base(2.0),
            (50f64..highest).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_labels(12)
        .x_desc("window, segments")
        .y_desc("ns per KiB delivered")
        .x_label_formatter(&|window| format!("{window:.0}"))
        .y_label_formatter(&|cost| format!("{cost:.0}"))
        .label_style(text(12))
        .axis_desc_style(text(13))
        .axis_style(INK)
        .bold_line_style(GREY.mix(0.35))
        .light_line_style(GREY.mix(0.0))
        .draw()?;
    let mut colours = COLOURS.iter().cycle();
    for curve in curves {
        let colour = match curve.subject.role {
            Role::Null => GREY,
            _ => *colours.next().expect("a cycle has no end"),
        };
        let style = colour.stroke_width(if curve.subject.role == Role::Ours {
            3
        } else {
            2
        });
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), style))?
            .label(curve.subject.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(
            curve
                .points
                .iter()
                .map(|&point| Circle::new(point, 3, colour.filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(text(13))
        .background_style(PAPER.mix(0.8))
        .border_style(GREY.mix(0.4))
        .draw()?;
    Ok(())
}

/// Gives the picture light ink on dark paper where the reader's colour scheme is dark.
fn themed(picture: &str) -> String {
    const STYLE: &str = "<style>@media (prefers-color-scheme:dark){\
        [fill=\"#1F2328\"]{fill:#e6edf3}[stroke=\"#1F2328\"]{stroke:#e6edf3}\
        [fill=\"#FFFFFF\"]{fill:#0d1117}}</style>";
    let end_of_tag = picture.find('>').map_or(0, |at| at + 1);
    format!(
        "{}\n{STYLE}{}",
        &picture[..end_of_tag],
        &picture[end_of_tag..]
    )
}
