//! One flow alone on many paths, with each control, compared with `table.txt`.
//!
//! `cargo test` plays the rows of 10 Mbit/s and a few others, `cargo test --release -- --ignored` all rows.

use crate::net::{Control, Outcome, Path, Plan, alone};
use crate::recorded::{self, Row as _, numbers, results};

const FILE: &str = "table.txt";
const HEAD: &str = "\
# control, Mbit/s, RTT ms, queue in % of the path, loss in 1/100 %, mean burst ms, jitter in % of RTT, window, driven each ms:
# % of the link, % that arrived again, % dropped by the queue, queueing delay p99 ms, ms to 90 % of that
";

#[derive(Clone, Copy)]
struct Row {
    path: Path,
    plan: Plan,
}

impl recorded::Row for Row {
    fn key(&self) -> String {
        let Row { path, plan } = self;
        format!(
            "{} {} {} {} {} {} {} {} {}",
            format!("{:?}", plan.control).to_lowercase(),
            path.rate,
            path.rtt,
            path.queue,
            path.loss,
            path.burst,
            path.jitter,
            plan.window,
            plan.drive
        )
    }

    fn play(&self) -> String {
        let Outcome {
            share,
            needless,
            own_loss,
            queueing,
            rise,
        } = alone(self.path, self.plan, 1);
        format!("{share:.1} {needless:.1} {own_loss:.1} {queueing:.1} {rise}")
            .replace("-0.0", "0.0")
    }
}

/// All rows.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |path, plan| rows.push(Row { path, plan });
    for control in [Control::Bbr, Control::Cubic] {
        for rate in [10, 50, 200] {
            for rtt in [20, 50, 200] {
                for queue in [25, 100, 400] {
                    for loss in [0, 10, 100, 500] {
                        for drive in [1, 10] {
                            let path = Path {
                                queue,
                                loss,
                                ..Path::new(rate, rtt)
                            };
                            row(
                                path,
                                Plan {
                                    drive,
                                    ..Plan::new(control)
                                },
                            );
                        }
                    }
                }
            }
        }
        for window in [256, 1024, 16_384] {
            for loss in [0, 100] {
                let path = Path {
                    loss,
                    ..Path::new(50, 50)
                };
                row(
                    path,
                    Plan {
                        window,
                        ..Plan::new(control)
                    },
                );
            }
        }
        for (loss, burst, jitter) in [(0, 0, 20), (100, 0, 20), (100, 5, 0), (100, 20, 20)] {
            for drive in [1, 10] {
                let path = Path {
                    loss,
                    burst,
                    jitter,
                    ..Path::new(50, 50)
                };
                row(
                    path,
                    Plan {
                        drive,
                        ..Plan::new(control)
                    },
                );
            }
        }
    }
    for control in [Control::Rack, Control::Window, Control::BuiltIn] {
        for loss in [0, 100, 500] {
            let path = Path {
                loss,
                ..Path::new(10, 50)
            };
            row(
                path,
                Plan {
                    window: 128,
                    ..Plan::new(control)
                },
            );
        }
    }
    rows
}

fn check(wanted: impl Fn(&Row) -> bool) {
    recorded::check(FILE, HEAD, &rows(), wanted);
}

#[test]
fn slow_paths_are_filled_as_recorded() {
    check(|Row { path, plan }| {
        path.rate == 10 && path.rtt == 50 && path.queue == 100 && plan.control != Control::Cubic
    });
}

#[test]
#[ignore = "minutes without optimisation: .ci/run runs it"]
fn all_paths_are_filled_as_recorded() {
    check(|_| true);
}

/// The recorded results are those that the controls are meant to have.
#[test]
fn the_recorded_table_is_good() {
    let results = results(FILE);
    let mut seen = 0;
    for row in rows() {
        let Row { path, plan } = row;
        let key = row.key();
        let values = numbers(&results[&key]);
        let [share, needless, own_loss, queueing, rise] = values[..] else {
            panic!("{key}: {values:?}");
        };
        if plan.control != Control::Bbr || path.jitter > 0 || path.burst > 0 {
            continue;
        }
        seen += 1;
        // The window in sequence numbers is another limit, and so is a short queue if the flow is driven every 10 ms.
        let trips = if path.loss == 0 { 2 } else { 4 };
        let window = f64::from(plan.window) / (trips * path.rtt) as f64;
        let link = path.rate as f64 * 1000.0 / 8.0 / 1428.0;
        let queue = (path.rtt * path.queue) as f64 / 100.0;
        let bound = window.min(link) / link * (queue / plan.drive as f64).min(1.0) * 100.0;
        if plan.drive == 1 && path.loss <= 100 {
            assert!(share >= 0.9 * bound, "{key}: carries {share} of {bound} %");
            assert!(
                needless <= 1.0 || path.rtt == 200,
                "{key}: {needless} % for nothing"
            );
        }
        if plan.drive == 1 && path.loss == 0 {
            let most = if path.queue == 25 { 1.5 } else { 0.1 };
            assert!(own_loss <= most, "{key}: loses {own_loss} %");
            let most = 0.3 * path.rtt as f64 + 2.0 * plan.drive as f64;
            assert!(queueing <= most, "{key}: {queueing} ms in the queue");
            let most = (15 * path.rtt).max(400) as f64;
            assert!(rise <= most, "{key}: {rise} ms to 90 %");
        }
    }
    assert!(seen > 200, "only {seen} rows");
}
