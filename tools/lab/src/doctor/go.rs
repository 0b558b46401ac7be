//! kcp-go over the loopback, with losses that are made here: what the doctor says against what kcp-go has counted.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use kcp_peers::go;

use super::Diagnosis;
use super::capture::{PORTS, Passing};
use super::causes::{Need, Trigger};
use super::flows::Flows;
use super::matrix::examine_with;
use super::plants;
use crate::link::{Config, Fate, Link, Loss, Micros, Pipe};
use crate::session::{CLIENT, SERVER};

/// The program, built once; `None` where Go or kcp-go is missing.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tools.join("../target/tmp");
        std::fs::create_dir_all(&folder).unwrap();
        match go::build(&tools.join("go/session.go"), &folder, "session") {
            Ok(()) => Some(folder.join("session")),
            Err(go::Error::Missing(_)) => None,
            Err(error) => panic!("{error}"),
        }
    };
    let found = PROGRAM.get_or_init(build).as_deref();
    if found.is_none() {
        eprintln!("skipped: Go or kcp-go is missing");
    }
    found
}

/// What kcp-go counted, of both ends.
#[derive(Debug)]
struct Counted {
    resent: usize,
    by_timeout: usize,
}

const LINK: Config = Config {
    jitter: 4_000,
    loss: Loss::Random(0.05),
    ..Config::plain(15_000)
};

/// Runs a session through a link and gives its packets as they pass the client.
fn session(arguments: &[&str]) -> Option<(Vec<u8>, Counted)> {
    let mut child = Command::new(program()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let server: SocketAddr = first.strip_prefix("address ").unwrap().parse().unwrap();
    let sockets = [0, 1].map(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    });
    let here = sockets[CLIENT].local_addr().unwrap();
    writeln!(child.stdin.take().unwrap(), "{here}").unwrap();
    let reader = std::thread::spawn(move || lines.next().unwrap().unwrap());
    let mut pipes: Vec<Pipe> = (0..2)
        .map(|way| Pipe::new(Link::new(LINK, 1, way)))
        .collect();
    let mut seen: Vec<Passing> = Vec::new();
    let mut client = None;
    let start = Instant::now();
    let mut buffer = [0; 2_048];
    while !reader.is_finished() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "kcp-go does not come to an end"
        );
        let now = start.elapsed().as_micros() as Micros;
        for side in [CLIENT, SERVER] {
            loop {
                match sockets[side].recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        if side == CLIENT {
                            client = Some(from);
                        }
                        let packet = buffer[..length].to_vec();
                        let fate = pipes[side].push(now, packet.clone(), length + 28);
                        let at = match (side, fate) {
                            (CLIENT, _) => now,
                            (_, Fate::Arrives(at)) => at,
                            (_, Fate::Lost(_)) => continue,
                        };
                        seen.push(Passing {
                            at,
                            side,
                            port: PORTS[0],
                            packet,
                        });
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            while let Some(packet) = pipes[side].pop(now) {
                let to = if side == CLIENT { Some(server) } else { client };
                // The server's packets leave from the socket that the client knows.
                if let Some(to) = to {
                    let _ = sockets[1 - side].send_to(&packet, to);
                }
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(child.wait().unwrap().success());
    let line = reader.join().unwrap();
    let numbers: Vec<usize> = line
        .split(' ')
        .skip(1)
        .map(|word| word.parse().unwrap())
        .collect();
    seen.sort_by_key(|one| one.at);
    let bytes = plants::file(&seen);
    let counted = Counted {
        resent: numbers[0],
        by_timeout: numbers[3],
    };
    Some((bytes, counted))
}

/// How many resends have another cause than kcp-go counted.
fn off(diagnosis: &Diagnosis, counted: &Counted) -> usize {
    assert_eq!(diagnosis.conversations.len(), 1);
    let judged = &diagnosis.conversations[0];
    let resends = judged.resends.iter().flatten();
    let count = |trigger: Trigger| resends.clone().filter(|one| one.trigger == trigger).count();
    let (timeouts, skips) = (
        count(Trigger::Timeout),
        count(Trigger::Skip) + count(Trigger::Early),
    );
    let told = format!("{timeouts} by timeout, {skips} by skips; {counted:?}");
    println!("{told}");
    assert!(counted.resent > 10, "{told}");
    assert_eq!(timeouts + skips, counted.resent, "{told}");
    assert!(resends.clone().filter(|one| one.need == Need::Lost).count() > 5);
    timeouts.abs_diff(counted.by_timeout)
}

#[test]
fn resends_of_kcp_go_have_the_causes_that_it_counted() {
    // In real time, and kcp-go sends a segment again after one skip when it has nothing else to send: in one session of twenty often.
    let (mut wrong, mut all) = (0, 0);
    for _ in 0..3 {
        let Some((bytes, counted)) = session(&[]) else {
            return;
        };
        wrong += off(&examine_with(&bytes, Flows::default()), &counted);
        all += counted.resent;
    }
    assert!(wrong * 5 <= all, "{wrong} of {all}");
}

#[test]
fn error_correction_and_a_cipher_are_seen_through_with_the_key_and_named_without() {
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let arguments = [
        "-data",
        "10",
        "-parity",
        "3",
        "-messages",
        "200",
        "-key",
        key,
    ];
    let Some((bytes, _)) = session(&arguments) else {
        return;
    };
    let blind = examine_with(&bytes, Flows::default());
    assert_eq!(
        (blind.conversations.len(), blind.beside.noise.len()),
        (0, 1)
    );
    for wrong in ["aes:secret", "hex:00112233445566778899aabbccddeeff"] {
        let keys = vec![wrong.parse().unwrap()];
        let blind = examine_with(&bytes, Flows::new(None, keys, false));
        assert_eq!(
            (blind.conversations.len(), blind.beside.noise.len()),
            (0, 1)
        );
    }
    let keys = vec![
        "aes:secret".parse().unwrap(),
        format!("hex:{key}").parse().unwrap(),
    ];
    let diagnosis = examine_with(&bytes, Flows::new(None, keys, false));
    let found = &diagnosis.conversations[0].found;
    assert!(found.encrypted && found.framing[0].correction);
    assert!(found.parity > 20, "{}", found.parity);
    assert_eq!(found.conversation.senders[0].payload, 200 * 400);
}
