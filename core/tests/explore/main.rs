#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]
#[path = "../common/mod.rs"]
mod common;
#[path = "../paths/net.rs"]
mod net;
use net::*;

fn var(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap())
}

fn list(name: &str, default: &[u64]) -> Vec<u64> {
    std::env::var(name).map_or(default.to_vec(), |v| {
        v.split(',').map(|x| x.parse().unwrap()).collect()
    })
}

fn control() -> Control {
    match std::env::var("CC").as_deref() {
        Ok("cubic") => Control::Cubic,
        Ok("rack") => Control::Rack,
        Ok("window") => Control::Window,
        Ok("built") => Control::BuiltIn,
        _ => Control::Bbr,
    }
}

#[test]
#[ignore]
fn table() {
    println!("rate rtt queue loss jit drive | share needless own  q99 (0.3rtt+2d) rise");
    for rate in list("RATE", &[10, 50, 200]) {
        for rtt in list("RTT", &[20, 50, 200]) {
            for queue in list("QUEUE", &[25, 100, 400]) {
                for loss in list("LOSS", &[0, 10, 100, 500]) {
                    for drive in list("DRIVE", &[1, 10]) {
                        for jitter in list("JITTER", &[0]) {
                            let path = Path {
                                queue,
                                loss,
                                jitter,
                                burst: var("BURST", 0),
                                ..Path::new(rate, rtt)
                            };
                            let plan = Plan {
                                drive,
                                window: var("WINDOW", 4096) as i32,
                                ..Plan::new(control())
                            };
                            for seed in list("SEED", &[1]) {
                                let mut net = Net::new(path, &[plan], seed);
                                net.run(15_000, |_| ());
                                net.measure();
                                net.run(30_000, |_| ());
                                let o = net.outcome(0, 15_000);
                                let k = if loss == 0 { 2.0 } else { 4.0 };
                                let win = plan.window as f64 / (k * rtt as f64);
                                let link = rate as f64 * 1000.0 / 8.0 / 1428.0;
                                let qms = (rtt * queue) as f64 / 100.0;
                                let mut bound = link.min(win);
                                if drive == 10 {
                                    bound *= (qms / 10.0).min(1.0)
                                }
                                let rise = Some(o.rise);
                                let limit = 0.3 * rtt as f64 + 2.0 * drive as f64;
                                let bad = (o.share < 90.0 * bound / link && loss <= 100) as u8;
                                let need = o.needless > if loss <= 100 { 1.0 } else { 4.0 };
                                let own =
                                    loss == 0 && o.own_loss > if queue <= 25 { 1.5 } else { 0.1 };
                                let late =
                                    rise.is_none_or(|r| r > (15 * rtt).max(400)) && loss == 0;
                                let q = o.queueing > limit && loss == 0;
                                let flags = format!(
                                    "{}{}{}{}{}",
                                    if bad == 1 { "LOW " } else { "" },
                                    if need { "NEED " } else { "" },
                                    if own { "OWN " } else { "" },
                                    if late { "LATE " } else { "" },
                                    if q { "Q " } else { "" }
                                );
                                if var("BAD", 0) == 1 && flags.is_empty() {
                                    continue;
                                }
                                println!(
                                    "{flags:10} {rate:4} {rtt:4} {queue:4} {loss:4} {jitter:3} {drive:3} | {:5.1} of {:5.1} {} need {:5.2} own {:5.2} q99 {:6.1} / {:5.1} {} rise {:?} / {}",
                                    o.share,
                                    100.0 * bound / link,
                                    if bad == 1 { "LOW" } else { "   " },
                                    o.needless,
                                    o.own_loss,
                                    o.queueing,
                                    limit,
                                    if o.queueing > limit { "Q" } else { " " },
                                    rise,
                                    (15 * rtt).max(400)
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
#[ignore]
fn trace() {
    let path = Path {
        queue: var("QUEUE", 100),
        loss: var("LOSS", 0),
        jitter: var("JITTER", 0),
        burst: var("BURST", 0),
        ..Path::new(var("RATE", 50), var("RTT", 50))
    };
    let n = var("N", 1);
    let plans: Vec<Plan> = (0..n)
        .map(|i| Plan {
            drive: var("DRIVE", 1),
            window: var("WINDOW", 4096) as i32,
            start: i * var("APART", 3000),
            ..Plan::new(control())
        })
        .collect();
    let mut net = Net::new(path, &plans, var("SEED", 1));
    let every = var("EVERY", 100);
    let mut last = vec![(0, 0, 0, 0); n as usize];
    net.run(var("END", 5000), |net| {
        if net.now % every != every - 1 { return; }
        for (i, flow) in net.flows.iter().enumerate() {
            let kcp = flow.a.kcp();
            if kcp.ccops.get().is_null() { continue; }
            let info = flow.a.info();
            let got: u32 = flow.progress.iter().rev().take(every as usize).sum();
            let (o, d, l, _) = last[i];
            let name = if info.phase_name.is_null() { "".into() } else { unsafe { std::ffi::CStr::from_ptr(info.phase_name) }.to_string_lossy().into_owned() };
            println!("{:6} #{i} {name:15} bw {:8} pace {:8} minrtt {:3} srtt {:3} pipe {:5} target {:5} cwnd {:5} ss {:10} lost {:5} needless {:4} | got {:5} sent {:5} drop {:4} noise {:3} nsnd {:5} rto {} used {:5} wnd {}",
                net.now, info.bandwidth, info.pacing_rate, info.min_rtt, kcp.rx_srtt.get(), info.inflight, info.inflight_target, info.cwnd, info.ssthresh, info.lost, info.needless, got, flow.offered - o, flow.dropped - d, flow.lost - l, kcp.nsnd_buf.get(), kcp.rx_rto.get(), kcp.snd_nxt.get().wrapping_sub(kcp.snd_una.get()), kcp.rmt_wnd.get());
            last[i] = (flow.offered, flow.dropped, flow.lost, 0);
        }
    });
}

#[test]
#[ignore]
fn jain() {
    for n in list("N", &[2, 4, 8]) {
        for drive in list("DRIVE", &[1, 10]) {
            for rtt in list("RTT", &[20, 50]) {
                for seed in list("SEEDS", &[1, 2]) {
                    let path = Path {
                        queue: var("QUEUE", 100),
                        loss: var("LOSS", 0),
                        ..Path::new(var("RATE", 50), rtt)
                    };
                    let plans: Vec<Plan> = (0..n)
                        .map(|i| Plan {
                            drive,
                            start: i * 3000,
                            ..Plan::new(control())
                        })
                        .collect();
                    let mut net = Net::new(path, &plans, seed);
                    let begin = (n - 1) * 3000 + if n == 2 { 10_000 } else { 30_000 };
                    net.run(begin, |_| ());
                    net.measure();
                    net.run(begin + 10_000, |_| ());
                    let outcomes: Vec<Outcome> =
                        (0..n).map(|i| net.outcome(i as usize, 10_000)).collect();
                    let shares: Vec<f64> = outcomes.iter().map(|o| o.share).collect();
                    println!(
                        "n {n} drive {drive} rtt {rtt} jain {:.3} own {:.2} q99 {:.1} shares {:?}",
                        fairness(&shares),
                        outcomes.iter().map(|o| o.own_loss).fold(0.0, f64::max),
                        outcomes[0].queueing,
                        shares.iter().map(|s| s.round()).collect::<Vec<_>>()
                    );
                }
            }
        }
    }
}

#[test]
#[ignore]
fn beside() {
    for queue in list("QUEUE", &[100, 200, 400]) {
        for rtt in list("RTT", &[20, 50]) {
            let path = Path {
                queue,
                ..Path::new(50, rtt)
            };
            let plans = [
                Plan {
                    drive: var("DRIVE", 1),
                    ..Plan::new(Control::Bbr)
                },
                Plan {
                    start: 100,
                    ..Plan::new(Control::Cubic)
                },
            ];
            let mut net = Net::new(path, &plans, var("SEED", 1));
            net.run(20_000, |_| ());
            net.measure();
            net.run(60_000, |_| ());
            let (a, b) = (net.outcome(0, 40_000), net.outcome(1, 40_000));
            println!(
                "queue {queue} rtt {rtt}: bbr {:.1} cubic {:.1} own {:.2} {:.2} q99 {:.1}",
                a.share, b.share, a.own_loss, b.own_loss, a.queueing
            );
        }
    }
}
