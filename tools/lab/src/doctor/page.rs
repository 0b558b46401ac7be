//! `--html`: one page that needs nothing else, with a timeline to zoom and the findings beside it.

use serde_json::{Value, json};

use super::report;
use super::sender::{Sender, Time};
use super::{Diagnosis, Judged};

fn curves(judged: &Judged, sender: &Sender) -> [(&'static str, Value); 4] {
    let start = judged.found.conversation.from.unwrap_or(0);
    let millis = |at: Time| (at - start) as f64 / 1e3;
    let curve = |points: &[(Time, u32)]| -> Value {
        points
            .iter()
            .map(|(at, value)| json!([millis(*at), value]))
            .collect()
    };
    let span = |from: Time, to: Time| json!([millis(from), millis(to)]);
    [
        ("rtt_curve", curve(&sender.rtt_curve)),
        ("flight_curve", curve(&sender.flight_curve)),
        (
            "shut",
            sender
                .closed
                .iter()
                .map(|one| span(one.from, one.to))
                .collect(),
        ),
        (
            "idle",
            sender.idle.iter().map(|one| span(one.0, one.1)).collect(),
        ),
    ]
}

/// The whole page.
pub fn page(diagnosis: &Diagnosis) -> String {
    let mut value = report::value(diagnosis);
    for (index, judged) in diagnosis.conversations.iter().enumerate() {
        for (side, sender) in judged.found.conversation.senders.iter().enumerate() {
            for (name, curve) in curves(judged, sender) {
                value["conversations"][index]["sides"][side][name] = curve;
            }
        }
    }
    // Within a script nothing may look like its end, or like a comment.
    let data = value.to_string().replace('<', "\\u003c");
    include_str!("page.html").replace("@DATA@", &data)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::super::matrix::examine;
    use super::super::plants::{self, LINK, Plan};
    use super::*;
    use crate::link::{Config, Loss};
    use crate::session::CLIENT;

    fn chromium(arguments: &[&str], page: &Path) -> Option<String> {
        let output = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--window-size=1280,900",
            ])
            .args(["--disable-dev-shm-usage", "--virtual-time-budget=2000"])
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: chromium is missing");
            return None;
        };
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn the_page_draws_itself_in_a_browser() {
        let lossy = Config {
            loss: Loss::Random(0.05),
            ..LINK
        };
        let plan = Plan {
            links: [lossy, lossy],
            reads: &|now| !(5_000_000..7_000_000).contains(&now),
            windows: [(256, 256), (256, 128)],
            length: 12_000_000,
            answers: 100_000,
            ..Plan::default()
        };
        let diagnosis = examine(&plants::capture(&plan, 1, CLIENT));
        let page = page(&diagnosis);
        assert!(
            !page.contains("http"),
            "it must need nothing from elsewhere"
        );
        let folder = std::env::temp_dir().join(format!("kcp-lab-page-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("page.html");
        std::fs::write(&path, page).unwrap();
        let picture = match std::env::var_os("DOCTOR_PICTURE") {
            Some(path) => path.into(),
            None => folder.join("page.png"),
        };
        if let Some(drawn) = chromium(&["--dump-dom"], &path) {
            // What only the script writes: the findings, and how many points the timeline has.
            let first = &diagnosis.conversations[0].findings[0];
            assert!(
                drawn.contains(first.change.split('&').next().unwrap()),
                "{drawn}"
            );
            let points = drawn
                .split("data-points=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let points: usize = points.expect("drawn").parse().unwrap();
            assert!(points > 500, "{points} points");
            let option = format!("--screenshot={}", picture.display());
            chromium(&[&option], &path);
            assert!(std::fs::metadata(&picture).unwrap().len() > 30_000);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
