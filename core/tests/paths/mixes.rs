//! Several flows on one path, and paths that change under a flow, compared with `mixes.txt`. One seed says little here, so each row is
//! over several.

use crate::net::{Control, Net, Outcome, Path, Plan, fairness, mean};
use crate::recorded::{self, Row as _, numbers, results};

const FILE: &str = "mixes.txt";
const HEAD: &str = "\
# flows, Mbit/s, RTT ms, queue in % of the path, loss in 1/100 %, driven each ms, RTT and loss from second 20 on:
# % of the link in the mean and at least, % that arrived again, % dropped by the queue, Jain's index in the mean and at least
";

struct Mix {
    path: Path,
    later: Path,
    /// They start 3 s apart.
    flows: Vec<Plan>,
}

impl Mix {
    fn several(path: Path, controls: &[Control], drive: u64) -> Mix {
        let flow = |(number, control): (u64, &Control)| Plan {
            start: 3_000 * number,
            drive,
            ..Plan::new(*control)
        };
        Mix {
            path,
            later: path,
            flows: (0..).zip(controls).map(flow).collect(),
        }
    }

    fn changed(path: Path, rtt: u64, loss: u64, drive: u64) -> Mix {
        Mix {
            later: Path { rtt, loss, ..path },
            ..Mix::several(path, &[Control::Bbr], drive)
        }
    }

    /// The index of eight flows with a long queue is .6 to .99, so means of eight seeds differ by .1.
    fn seeds(&self) -> u64 {
        if self.flows.len() == 8 && self.path.queue == 400 {
            40
        } else {
            8
        }
    }

    /// From second 30 to 50.
    fn with_seed(&self, seed: u64) -> Vec<Outcome> {
        let mut net = Net::new(self.path, &self.flows, seed);
        net.run(20_000, |_| ());
        net.path = self.later;
        net.between(30_000, 50_000)
    }
}

impl recorded::Row for Mix {
    fn key(&self) -> String {
        let Mix { path, later, flows } = self;
        let controls: Vec<_> = flows
            .iter()
            .map(|flow| format!("{:?}", flow.control).to_lowercase())
            .collect();
        let counts: Vec<_> = controls
            .chunk_by(|one, next| one == next)
            .map(|alike| format!("{}x{}", alike.len(), alike[0]))
            .collect();
        format!(
            "{} {} {} {} {} {} {} {}",
            counts.join("+"),
            path.rate,
            path.rtt,
            path.queue,
            path.loss,
            flows[0].drive,
            later.rtt,
            later.loss,
        )
    }

    fn play(&self) -> String {
        let (mut shares, mut indices) = (Vec::new(), Vec::new());
        let (mut needless, mut own_loss) = (0.0, 0.0);
        let seeds = self.seeds();
        for seed in 1..=seeds {
            let flows = self.with_seed(seed);
            shares.push(flows.iter().map(|flow| flow.share).sum::<f64>());
            indices.push(fairness(&flows));
            needless += mean(&flows, |flow| flow.needless) / seeds as f64;
            own_loss += mean(&flows, |flow| flow.own_loss) / seeds as f64;
        }
        let average = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let least = |all: &[f64]| all.iter().copied().fold(f64::MAX, f64::min);
        format!(
            "{:.1} {:.1} {needless:.1} {own_loss:.1} {:.2} {:.2}",
            average(&shares),
            least(&shares),
            average(&indices),
            least(&indices)
        )
    }
}

/// All rows, of 50 Mbit/s.
fn rows() -> Vec<Mix> {
    let mut rows = Vec::new();
    let path = |rtt, queue, loss| Path {
        queue,
        loss,
        ..Path::new(50, rtt)
    };
    for count in [2, 4, 8] {
        let flows = vec![Control::Bbr; count];
        for queue in [10, 25, 100, 400] {
            rows.push(Mix::several(path(50, queue, 0), &flows, 1));
        }
        for queue in [25, 100] {
            rows.push(Mix::several(path(50, queue, 0), &flows, 10));
        }
        for loss in [100, 500] {
            rows.push(Mix::several(path(50, 100, loss), &flows, 1));
        }
    }
    for queue in [25, 100, 400] {
        let both = [Control::Bbr, Control::Cubic];
        rows.push(Mix::several(path(50, queue, 0), &both, 1));
    }
    for loss in [1_000, 2_000] {
        for rtt in [20, 50, 100] {
            rows.push(Mix::several(path(rtt, 100, loss), &[Control::Bbr], 1));
        }
        let slow = Path {
            rate: 10,
            ..path(100, 100, loss)
        };
        rows.push(Mix::several(slow, &[Control::Bbr], 1));
    }
    for drive in [1, 10] {
        for (rtt, longer, loss) in [
            (50, 50, 500),
            (50, 55, 500),
            (50, 60, 500),
            (50, 60, 1_000),
            (50, 70, 300),
            (50, 80, 500),
            (30, 100, 200),
        ] {
            rows.push(Mix::changed(path(rtt, 100, 0), longer, loss, drive));
        }
    }
    rows
}

#[test]
#[ignore = "minutes without optimisation: .ci/run runs it"]
fn all_mixes_are_as_recorded() {
    recorded::check(FILE, HEAD, &rows(), |_| true);
}

/// The recorded results are those that the controls are meant to have.
#[test]
fn the_recorded_mixes_are_good() {
    let results = results(FILE);
    let mut seen = 0;
    for row in rows() {
        let key = row.key();
        let values = numbers(&results[&key]);
        let [share, _, _, own_loss, index, _] = values[..] else {
            panic!("{key}: {values:?}");
        };
        let Mix { path, flows, .. } = &row;
        let alike = flows.iter().all(|flow| flow.control == Control::Bbr);
        if flows.len() > 1 && alike && path.loss == 0 && path.queue >= 100 {
            seen += 1;
            let least = if flows.len() == 2 { 0.95 } else { 0.85 };
            assert!(index >= least, "{key}: Jain's index is {index}");
            assert!(own_loss <= 1.0, "{key}: loses {own_loss} %");
            assert!(share >= 95.0, "{key}: carries {share} %");
        }
    }
    assert!(seen > 5, "only {seen} rows");
}
