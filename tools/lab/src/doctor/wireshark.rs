//! The dissector for Wireshark (tools/wireshark/kcp.lua) under tshark, on captures that are made here.

use std::path::PathBuf;
use std::process::Command;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::capture::{self, Passing};
use super::framing::tests::{of_each_segment, turned};
use super::plants::{self, LINK, Plan};
use crate::link::{Config, Loss};
use crate::session::{CLIENT, SERVER};
use crate::wire::{COMMAND_PUSH, headers};

/// Runs tshark over the packets: the fields of each frame that the filter takes, one line each. `None` without tshark.
fn tshark(
    name: &str,
    packets: &[Passing],
    filter: &str,
    fields: &[&str],
) -> Option<Vec<Vec<String>>> {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: tshark is missing");
        return None;
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wireshark/kcp.lua");
    let path = std::env::temp_dir().join(format!("kcp-lab-{name}-{}.pcap", std::process::id()));
    let file = std::fs::File::create(&path).unwrap();
    capture::write(std::io::BufWriter::new(file), packets).unwrap();
    let mut command = Command::new("tshark");
    command
        .arg("-X")
        .arg(format!("lua_script:{}", script.display()));
    command.arg("-2").arg("-r").arg(&path).args([
        "-Y",
        filter,
        "-T",
        "fields",
        "-E",
        "occurrence=a",
    ]);
    fields
        .iter()
        .for_each(|field| _ = command.args(["-e", field]));
    let output = command.output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !errors.contains("rror"),
        "{errors}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| line.split('\t').map(str::to_string).collect();
    Some(text.lines().map(line).collect())
}

fn session() -> Vec<Passing> {
    let lossy = Config {
        loss: Loss::Random(0.05),
        ..LINK
    };
    let plan = Plan {
        links: [lossy, lossy],
        size: 3_000,
        every: 50_000,
        length: 5_000_000,
        ..Plan::default()
    };
    plants::run(&plan, 1, CLIENT)
}

/// The numbers of all segments that a side sent, in the order of the capture.
fn pushed(packets: &[Passing]) -> Vec<u32> {
    packets
        .iter()
        .filter(|one| one.side == CLIENT)
        .flat_map(|one| headers(&one.packet).collect::<Vec<_>>())
        .filter(|header| header.command == COMMAND_PUSH)
        .map(|header| header.sn)
        .collect()
}

#[test]
fn fields_resends_round_trips_and_messages_are_shown() {
    let packets = session();
    let fields = [
        "kcp.conv",
        "kcp.cmd",
        "kcp.sn",
        "kcp.resend.of",
        "kcp.rtt",
        "kcp.message.len",
        "kcp.acked_in",
    ];
    let Some(rows) = tshark("fields", &packets, "kcp", &fields) else {
        return;
    };
    assert_eq!(rows.len(), packets.len());
    let all = |column: usize| -> Vec<&str> {
        let cells = rows.iter().flat_map(|row| row[column].split(','));
        cells.filter(|text| !text.is_empty()).collect()
    };
    assert!(all(0).iter().all(|conv| *conv == "0x11223344"));
    let sent = pushed(&packets);
    let shown: usize = all(1).iter().filter(|command| **command == "81").count();
    assert_eq!(shown, sent.len());
    let mut once = sent.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(all(3).len(), sent.len() - once.len(), "resends");
    assert!(all(3).len() > 10);
    let trips: Vec<f64> = all(4).iter().map(|text| text.parse().unwrap()).collect();
    assert!(
        trips.len() > 200 && trips.iter().all(|rtt| (60.0..120.0).contains(rtt)),
        "{trips:?}"
    );
    // Three fragments each; those that were under way at the end may lack some.
    let messages = all(5);
    assert!(
        messages.len() > 90 && messages.iter().all(|length| *length == "3000"),
        "{messages:?}"
    );
    assert!(all(6).len() > 200);
}

#[test]
fn experts_tell_resends_and_a_window_that_is_shut() {
    let plan = Plan {
        reads: &|now| now < 1_000_000,
        windows: [(256, 256), (256, 128)],
        length: 12_000_000,
        ..Plan::default()
    };
    let packets = plants::run(&plan, 1, CLIENT);
    let Some(shut) = tshark("shut", &packets, "kcp.expert.closed", &["kcp.wnd"]) else {
        return;
    };
    assert!(
        !shut.is_empty()
            && shut
                .iter()
                .all(|row| row[0].split(',').any(|wnd| wnd == "0"))
    );
    let probes = tshark("probes", &packets, "kcp.expert.probe", &["kcp.cmd"]).unwrap();
    assert!(!probes.is_empty());
    let resends = tshark(
        "resends",
        &session(),
        "kcp.expert.resend",
        &["kcp.resend.after"],
    )
    .unwrap();
    assert!(resends.len() > 10);
}

#[test]
fn packets_are_found_behind_error_correction_and_a_nonce() {
    for before in [0, 20] {
        let mut packets = session();
        let plain = packets.len();
        for (number, one) in packets.iter_mut().enumerate() {
            let size = (one.packet.len() as u16 + 2).to_le_bytes();
            let number = (number as u32).to_le_bytes();
            one.packet = [
                &vec![7; before][..],
                &number,
                &[0xf1, 0],
                &size,
                &one.packet,
            ]
            .concat();
        }
        let parity = [&vec![7; before][..], &[9, 0, 0, 0, 0xf2, 0], &[3; 400]].concat();
        packets.push(Passing {
            at: 5_100_000,
            side: CLIENT,
            port: capture::PORTS[0],
            packet: parity,
        });
        let Some(rows) = tshark("correction", &packets, "kcp", &["kcp.fec.kind", "kcp.conv"])
        else {
            return;
        };
        assert_eq!(rows.len(), packets.len());
        let data = rows
            .iter()
            .filter(|row| row[0] == "0x00f1" && row[1].starts_with("0x11223344"));
        assert_eq!((data.count(), rows[plain][0].as_str()), (plain, "0x00f2"));
    }
}

#[test]
fn packets_of_kcp2k_of_games_with_a_token_and_in_big_endian_order_are_found() {
    let plain = session();
    let wrap = |wrapped: fn(&[u8]) -> Vec<u8>| -> Vec<Passing> {
        let one = |one: &Passing| Passing {
            packet: wrapped(&one.packet),
            ..one.clone()
        };
        plain.iter().map(one).collect()
    };
    // A channel and a cookie.
    let kcp2k = wrap(|packet| [&[1, 0xfd, 0x62, 0x82, 0x31][..], packet].concat());
    // Four bytes after the conv of each segment.
    let game = wrap(|packet| {
        let with_token =
            |segment: &[u8]| [&segment[..4], &[7, 6, 5, 0x84][..], &segment[4..]].concat();
        of_each_segment(packet, with_token)
    });
    let big_endian = wrap(|packet| of_each_segment(packet, turned));
    let fields = ["kcp.cmd", "kcp.sn", "kcp.len", "kcp.rtt", "kcp.message.len"];
    let Some(bare) = tshark("bare", &plain, "kcp", &fields) else {
        return;
    };
    let all = [
        ("kcp2k", kcp2k),
        ("token", game),
        ("big-endian", big_endian),
    ];
    for (name, packets) in all {
        assert_eq!(
            tshark(name, &packets, "kcp", &fields).unwrap(),
            bare,
            "{name}"
        );
    }
}

/// The walk over fragments was as long as the run of segments that say "more follow", for each of them: minutes for this capture.
#[test]
fn fragments_that_never_end_do_not_slow_it_down() {
    let timed = |fragment: u32| {
        let packets: Vec<Passing> = (0..8_000u32)
            .map(|sn| {
                let words = [7, 0x0080_0051 | fragment << 8, sn, sn, 0, 4, 0];
                Passing {
                    at: u64::from(sn) * 1_000,
                    side: CLIENT,
                    port: capture::PORTS[0],
                    packet: words.map(u32::to_le_bytes).concat(),
                }
            })
            .collect();
        let began = std::time::Instant::now();
        let rows = tshark("endless", &packets, "kcp", &["kcp.frg", "kcp.message"])?;
        assert_eq!(rows.len(), packets.len());
        let fragment = fragment.to_string();
        assert!(
            rows.iter()
                .all(|row| row[0] == fragment && row[1].is_empty())
        );
        Some(began.elapsed())
    };
    let (Some(whole), Some(endless)) = (timed(0), timed(5)) else {
        return;
    };
    assert!(endless < whole * 4, "{endless:?} and {whole:?}");
}

#[test]
fn other_udp_is_not_claimed() {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut packets = Vec::new();
    let mut add = |packet: Vec<u8>| {
        packets.push(Passing {
            at: packets.len() as u64 * 1_000,
            side: if packets.len() % 2 == 0 {
                CLIENT
            } else {
                SERVER
            },
            port: 50_000 + (packets.len() % 7) as u16,
            packet,
        });
    };
    for length in 0..300 {
        add((0..length).map(|_| random.random()).collect());
        add(vec![0; length]);
        add("QRSTQRSTQRST".bytes().cycle().take(length).collect());
        // A command where KCP has it, and lengths that do not fit.
        let mut close = vec![0; length + 30];
        close[4] = COMMAND_PUSH;
        close[20] = (length % 50) as u8 + 200;
        close[21] = 200;
        add(close);
    }
    let Some(rows) = tshark("other", &packets, "kcp", &["frame.number"]) else {
        return;
    };
    assert!(rows.is_empty(), "{rows:?}");
}
