//! Real sessions of examples/stack over the loopback of a network of their own, captured there by tcpdump, and read with the keys that
//! one end logged.
//!
//! On a busy machine tcpdump is behind, and what it has not read when it is stopped is not in the capture. So the session's last datagram
//! is one that is looked for in the file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Diagnosis;
use super::causes::Trigger;
use super::flows::Flows;
use super::matrix::examine_with;
use super::stack::Sessions;

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/stack-captures");
        std::fs::create_dir_all(&folder).unwrap();
        build(&folder);
        folder
    })
}

/// The sources in C of a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "c"))
        .collect();
    all.sort();
    all
}

fn build(folder: &Path) {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = lab.join("../..");
    let stack = root.join("examples/stack");
    let library = kcp_abi::ours().unwrap();
    let output = Command::new("cc")
        .args(["-O1", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra"])
        .arg("-I")
        .arg(root.join("include"))
        .arg("-I")
        .arg(&stack)
        .arg("-I")
        .arg(stack.join("tests/support"))
        .args(sources(&stack))
        .args(["stage.c", "relay.c"].map(|name| stack.join("tests/support").join(name)))
        .arg(lab.join("stack/session.c"))
        .arg(&library)
        .arg(format!(
            "-Wl,-rpath,{}",
            library.parent().unwrap().display()
        ))
        .args(["-lsodium", "-lpthread", "-lm", "-o"])
        .arg(folder.join("session"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// The session's last datagram.
const LAST: &str = "the session has ended";

/// What the session printed.
struct Told {
    port: u16,
    cipher: u64,
    renewals: u64,
    segments: u64,
    timeouts: usize,
    skips: usize,
    payload: u64,
    /// The capture lacks none.
    complete: bool,
}

/// Runs a session and gives its capture and the file of its keys; `None` where nobody may capture.
fn session(name: &str, cipher: u32, correction: u32) -> Option<(Vec<u8>, PathBuf, Told)> {
    let folder = folder();
    let file = |end: &str| folder.join(format!("{name}-{}.{end}", std::process::id()));
    let (keys, capture) = (file("keys"), file("pcap"));
    // -Z: tcpdump would write as another user. -s, -B: a thousand of the largest runs wait while the machine is busy, instead of 32.
    // It writes a line when it listens.
    let script = format!(
        "ip link set lo up && mkfifo '{fifo}' || exit 1
         tcpdump -i lo -s 66000 -B 65536 --immediate-mode -U -Z root -w '{capture}' udp 2>'{fifo}' &
         pid=$!
         exec 3<'{fifo}'
         read -r line <&3
         '{program}' '{keys}' {cipher} {correction}
         result=$?
         tries=300
         while [ $result = 0 ] && ! grep -aq '{LAST}' '{capture}' && [ $tries -gt 0 ]; do
             tries=$((tries - 1))
             sleep 0.1
         done
         kill -INT $pid
         wait $pid
         cat <&3 >&2
         exit $result",
        fifo = file("fifo").display(),
        capture = capture.display(),
        program = folder.join("session").display(),
        keys = keys.display(),
    );
    let tools = [("tcpdump", "--version"), ("unshare", "--version")];
    for (tool, option) in tools {
        if Command::new(tool).arg(option).output().is_err() {
            eprintln!("skipped: {tool} is missing");
            return None;
        }
    }
    let allowed = Command::new("unshare").args(["-n", "true"]).status();
    if !allowed.unwrap().success() {
        eprintln!("skipped: no network namespaces");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-n", "sh", "-c", &script])
        .output()
        .unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{text}{errors}");
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let told = Told {
        port: numbers[0] as u16,
        cipher: numbers[1],
        renewals: numbers[2],
        segments: numbers[3],
        timeouts: numbers[4] as usize,
        skips: numbers[5] as usize,
        payload: numbers[6],
        complete: errors.contains("\n0 packets dropped by kernel"),
    };
    let bytes = std::fs::read(&capture).unwrap();
    std::fs::remove_file(&capture).unwrap();
    std::fs::remove_file(file("fifo")).unwrap();
    Some((bytes, keys, told))
}

fn with_keys(bytes: &[u8], keys: &Path) -> Diagnosis {
    let sessions = Sessions::read(keys).unwrap();
    examine_with(bytes, Flows::default().with_sessions(sessions))
}

fn check(name: &str, cipher: u32, correction: u32) {
    let Some((bytes, keys, told)) = session(name, cipher, correction) else {
        return;
    };
    assert!(
        told.complete,
        "the kernel had no room for all that tcpdump should read"
    );
    if cipher == 1 && told.cipher == 0 {
        eprintln!("skipped: no instructions for AES");
        return;
    }
    assert_eq!(told.cipher, u64::from(cipher));
    assert!(told.renewals >= 2, "{} renewals", told.renewals);

    // The client's way to the relay, and the relay's to the server.
    let blind = examine_with(&bytes, Flows::default());
    assert_eq!(
        (blind.conversations.len(), blind.beside.sessions.len()),
        (0, 2)
    );
    assert_eq!(blind.beside.noise, []);
    let wrong = keys.with_extension("wrong");
    let text = std::fs::read_to_string(&keys).unwrap();
    let ends: Vec<&str> = text.lines().collect();
    // Both ends wrote the same.
    assert_eq!((ends.len(), ends[0]), (2, ends[1]));
    let (rest, last) = ends[0].split_at(ends[0].len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    let (front, up) = rest.split_at(36);
    let turned = if up.starts_with('0') { "1" } else { "0" };
    std::fs::write(&wrong, format!("{front}{turned}{}{other}\n", &up[1..])).unwrap();
    let shut = with_keys(&bytes, &wrong);
    assert_eq!(
        (shut.conversations.len(), shut.beside.sessions.len()),
        (0, 2)
    );

    let open = with_keys(&bytes, &keys);
    assert_eq!(open.conversations.len(), 2);
    assert_eq!(open.beside.sessions, []);
    let near = open
        .conversations
        .iter()
        .find(|one| one.found.ends.iter().any(|end| end.port() == told.port));
    let near = near.expect("the flow at the client");
    let found = &near.found;
    assert!(found.is_session && found.encrypted && found.strange == 0);
    assert!(found.control > 100, "{}", found.control);
    assert_eq!(found.parity > 0, correction != 0);
    let side = usize::from(found.ends[0].port() == told.port);
    let sender = &found.conversation.senders[side];
    assert_eq!(
        (sender.fresh, sender.payload),
        (told.segments, told.payload)
    );
    let count = |trigger| {
        near.resends[side]
            .iter()
            .filter(|one| one.trigger == trigger)
            .count()
    };
    let said = (
        count(Trigger::Timeout),
        count(Trigger::Skip) + count(Trigger::Early),
    );
    println!(
        "{name}: {said:?}, counted {} and {}",
        told.timeouts, told.skips
    );
    // A skip just after a timeout, before the next ikcp_update, sends a segment again with the same stamp. A capture takes that for a copy
    // that the network made, and here no network is before it.
    assert_eq!(
        said.0 + said.1 + sender.copies as usize,
        told.timeouts + told.skips,
        "{name}"
    );
    if correction == 0 {
        // In real time: on a busy machine a timer may run out together with a skip.
        let all = told.timeouts + told.skips;
        assert!(said.0.abs_diff(told.timeouts) <= 2 + all / 4, "{name}");
        assert!(told.skips > 5, "{} skips", told.skips);
    }
    std::fs::remove_file(&wrong).unwrap();
    std::fs::remove_file(&keys).unwrap();
}

#[test]
fn sessions_of_the_stack_are_read_with_their_keys() {
    check("chacha", 0, 0);
    check("aes", 1, 0);
}

#[test]
fn sessions_of_the_stack_are_read_behind_error_correction() {
    check("repeat", 1, 1);
    check("parity", 0, 2);
}
