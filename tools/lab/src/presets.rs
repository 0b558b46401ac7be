//! The links that subcommands know by name, and the options that change them.

use std::fmt;

use anyhow::Result;
use clap::{Args, ValueEnum};
use kcp_cli::demand;
use kcp_cli::values::{milliseconds, percent, zero_or};

use crate::link::{Config, Loss, Micros};

/// Links that one meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A cable in one building: RTT 1 ms, nothing lost
    Lan,
    /// Home Wi-Fi and a server nearby: RTT 20-50 ms, 2 % lost in bursts of 40 ms, 40 Mbit/s
    Wifi,
    /// A telephone on the move: RTT 50-110 ms, 3 % lost in bursts of 120 ms, 12 Mbit/s with a deep queue
    #[value(name = "4g")]
    Mobile,
    /// Between continents: RTT 180-190 ms, 1 % lost at random, 0.2 % out of order, 50 Mbit/s
    Transcontinental,
    /// The test of KCP's documentation: RTT 60-125 ms, 10 % of round trips lost
    Loss10,
    /// What flows share: RTT 50 ms, 50 Mbit/s, a queue of 50 ms, nothing lost but by it
    Shared,
}

impl Preset {
    /// One direction; both are the same.
    fn direction(self) -> Config {
        let none = Config {
            reorder_by: 4_000,
            ..Config::plain(500)
        };
        match self {
            Preset::Lan => none,
            Preset::Wifi => Config {
                delay: 10_000,
                jitter: 15_000,
                loss: Loss::Burst {
                    share: 0.02,
                    length: 40_000,
                },
                bandwidth: Some(40_000_000),
                queue: 50_000,
                ..none
            },
            Preset::Mobile => Config {
                delay: 25_000,
                jitter: 30_000,
                loss: Loss::Burst {
                    share: 0.03,
                    length: 120_000,
                },
                bandwidth: Some(12_000_000),
                queue: 300_000,
                ..none
            },
            Preset::Transcontinental => Config {
                delay: 90_000,
                jitter: 5_000,
                loss: Loss::Random(0.01),
                reorder: 0.002,
                bandwidth: Some(50_000_000),
                queue: 100_000,
                ..none
            },
            // Each direction has half of the round trip's loss and delay, as in that test.
            Preset::Loss10 => Config {
                delay: 30_000,
                jitter: 32_500,
                loss: Loss::Random(0.05),
                ..none
            },
            Preset::Shared => Config {
                delay: 25_000,
                bandwidth: Some(50_000_000),
                queue: 50_000,
                ..none
            },
        }
    }
}

// The link of a run: a preset and what is changed in it. (No doc comment: clap would show it as the subcommand's summary.)
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The link (both directions are alike)")]
pub struct LinkArgs {
    /// The link to start from; the options below change it
    #[arg(long, value_enum, default_value = "loss10")]
    pub link: Preset,

    /// Round-trip time without jitter, in ms: half of it in each direction
    #[arg(long, value_name = "MS", value_parser = milliseconds())]
    rtt: Option<f64>,

    /// Jitter of the round trip in ms: each direction adds 0 to half of it, evenly spread, without changing the order
    #[arg(long, value_name = "MS", value_parser = milliseconds())]
    jitter: Option<f64>,

    /// Packets lost in each direction, in percent. A round trip loses about twice as much
    #[arg(long, value_name = "PERCENT", value_parser = percent())]
    loss: Option<f64>,

    /// Lose packets in bursts of this mean length in ms, the Gilbert-Elliott model; 0 loses each packet on its own. Radio links fail
    /// for a moment and then lose everything, which hits every scheme that counts on later packets to report a loss
    #[arg(long, value_name = "MS", value_parser = milliseconds())]
    burst: Option<f64>,

    /// Bandwidth of each direction in Mbit/s; 0 means no limit
    #[arg(long, value_name = "MBIT", value_parser = bandwidth())]
    bandwidth: Option<f64>,

    /// Queue in front of the bandwidth limit, in ms at full rate; packets that find it full are dropped
    #[arg(long, value_name = "MS", value_parser = milliseconds())]
    queue: Option<f64>,

    /// The bandwidth limit is a policer: it drops what its queue would drop, and lets everything else pass at once
    #[arg(long)]
    policer: bool,

    /// Packets out of order, in percent: held back so that later ones overtake them
    #[arg(long, value_name = "PERCENT", value_parser = percent())]
    reorder: Option<f64>,

    /// By how much those packets are held back, in ms [default: 4]
    #[arg(long, value_name = "MS", value_parser = milliseconds())]
    reorder_by: Option<f64>,
}

/// In Mbit/s; 0 means no limit.
pub fn bandwidth() -> impl clap::builder::TypedValueParser<Value = f64> {
    zero_or(0.001..=100_000.0)
}

fn micros(milliseconds: f64) -> Micros {
    (milliseconds * 1000.0).round() as Micros
}

impl LinkArgs {
    /// One direction of the selected link.
    pub fn direction(&self) -> Result<Config> {
        let mut config = self.link.direction();
        if let Some(rtt) = self.rtt {
            config.delay = micros(rtt / 2.0);
        }
        if let Some(jitter) = self.jitter {
            config.jitter = micros(jitter / 2.0);
        }
        let length = self.burst.map_or(
            match config.loss {
                Loss::Random(_) => 0,
                Loss::Burst { length, .. } => length,
            },
            micros,
        );
        let share = self
            .loss
            .map_or(config.loss.share(), |percent| percent / 100.0);
        config.loss = Loss::of(share, length);
        if let Some(mbit) = self.bandwidth {
            config.bandwidth = (mbit > 0.0).then_some((mbit * 1e6) as u64);
            if config.queue == 0 {
                config.queue = 100_000;
            }
        }
        if let Some(queue) = self.queue {
            config.queue = micros(queue);
        }
        config.policed = self.policer;
        if let Some(percent) = self.reorder {
            config.reorder = percent / 100.0;
        }
        if let Some(milliseconds) = self.reorder_by {
            config.reorder_by = micros(milliseconds);
        }
        demand!(
            config.bandwidth.is_some() || (self.queue.is_none() && !self.policer),
            "the link has no limit: nothing to queue or to police without --bandwidth"
        );
        Ok(config)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let round_trip = |micros: Micros| (2 * micros) as f64 / 1000.0;
        let percent = |share: f64| (share * 1e8).round() / 1e6;
        write!(f, "RTT {}", round_trip(self.delay))?;
        if self.jitter > 0 {
            write!(f, "-{}", round_trip(self.delay + self.jitter))?;
        }
        write!(f, " ms, loss {}% each way", percent(self.loss.share()))?;
        if let Loss::Burst { length, .. } = self.loss {
            write!(f, " in bursts of {} ms", length as f64 / 1000.0)?;
        }
        if self.reorder > 0.0 {
            write!(f, ", {}% out of order", percent(self.reorder))?;
        }
        if let Some(rate) = self.bandwidth {
            write!(
                f,
                ", {} Mbit/s, {} {} ms",
                rate as f64 / 1e6,
                if self.policed { "policer" } else { "queue" },
                self.queue as f64 / 1000.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        link: LinkArgs,
    }

    fn parse(options: &str) -> Config {
        let words = std::iter::once("test").chain(options.split_whitespace());
        let link = Cli::parse_from(words).link;
        link.direction().expect("a link")
    }

    #[test]
    fn a_queue_without_a_bandwidth_was_left_out_without_a_word() {
        for options in [
            "--queue 50",
            "--policer",
            "--link 4g --bandwidth 0 --queue 50",
        ] {
            let words = ["test"].into_iter().chain(options.split_whitespace());
            assert!(Cli::parse_from(words).link.direction().is_err());
        }
        assert_eq!(parse("--link 4g --queue 50").queue, 50_000);
    }

    #[test]
    fn the_documented_test_is_halved_into_two_directions() {
        let config = parse("--link loss10");
        assert_eq!((config.delay, config.jitter), (30_000, 32_500));
        assert_eq!(config.loss, Loss::Random(0.05));
        assert_eq!(config.to_string(), "RTT 60-125 ms, loss 5% each way");
    }

    #[test]
    fn options_change_only_what_they_name() {
        let wifi = parse("--link wifi");
        let changed = parse("--link wifi --loss 7");
        assert_eq!(
            changed.loss,
            Loss::Burst {
                share: 0.07,
                length: 40_000
            }
        );
        assert_eq!(
            Config {
                loss: wifi.loss,
                ..changed
            },
            wifi
        );
        assert_eq!(
            parse("--link wifi --loss 7 --burst 0").loss,
            Loss::Random(0.07)
        );
        assert_eq!(parse("--link wifi --bandwidth 0").bandwidth, None);
        assert_eq!(parse("--link lan --bandwidth 8").queue, 100_000);
        assert_eq!(parse("--rtt 33").delay, 16_500);
    }

    /// `--reorder-by` did nothing for a link that reorders by itself.
    #[test]
    fn how_far_packets_are_held_back_can_be_changed_alone() {
        let ours = parse("--link transcontinental");
        let changed = parse("--link transcontinental --reorder-by 9");
        assert_eq!((ours.reorder_by, changed.reorder_by), (4_000, 9_000));
        assert_eq!(changed.reorder, ours.reorder);
        assert_eq!(parse("--reorder 1").reorder_by, 4_000);
    }

    /// It said "loss 7.000000000000001% each way".
    #[test]
    fn percentages_are_shown_as_they_were_given() {
        for percent in ["7", "0.07", "14", "29", "0.2", "33.3"] {
            let shown = parse(&format!("--loss {percent} --reorder {percent}")).to_string();
            let expected = format!("loss {percent}% each way, {percent}% out of order");
            assert!(shown.ends_with(&expected), "{shown}");
        }
    }
}
