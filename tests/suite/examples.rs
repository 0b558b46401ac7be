//! The server, and the echo client in C++: the lines of its README run as written, in a fresh copy of the sources. packages/try.py runs the
//! clients in other languages, which need a package.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::checkout::checkout;
use crate::library::{DEFAULT, root, scratch};
use crate::suite::{Extent, Outcome, Suite};
use crate::tools::{lacks, run, run_within};

pub fn add(suite: &mut Suite) {
    suite.test_in(
        Extent::Full,
        lacks(&["cc", "c++", "bash"]),
        "examples: cpp",
        || echoes("cpp"),
    );
    suite.test_in(
        Extent::Full,
        lacks(&["cc", "bash"]),
        "examples: the server forgets who sends no packets of KCP",
        forgets,
    );
}

/// The server's clock: of a machine that has run for 30 days, and goes 40 times as fast.
const LATE: &str = "#include <time.h>\n\
                    static inline int late(struct timespec *time)\n{\n    \
                    clock_gettime(CLOCK_MONOTONIC, time);\n    \
                    time->tv_sec = 2592000 + time->tv_sec % 86400 * 40;\n    \
                    return 0;\n}\n\
                    #define clock_gettime(clock, time) late(time)\n";

/// After 25 days it kept such a client for ever, since 0 was when it had heard of it.
fn forgets() -> Outcome {
    let folder = scratch().join("forgets");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("late.h"), LATE)?;
    run(Command::new("cc")
        .args(["-O1", "-include", "late.h", "-I"])
        .arg(root().join("include"))
        .arg(root().join("examples/server/server.c"))
        .arg(DEFAULT.library()?.archive)
        .args(["-o", "server"])
        .current_dir(&folder))?;
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let script = format!(
        "./server {port} 0 >wrote & for i in {{1..200}}; do sleep 0.1\n\
         printf %024d 0 >/dev/udp/127.0.0.1/{port}; grep -q gone wrote && break\n\
         done; kill $!; wait; cat wrote"
    );
    let wrote = run(Command::new("bash")
        .args(["-c", &script])
        .current_dir(&folder))?;
    match wrote.contains(": gone\n") {
        true => Ok(()),
        false => Err(wrote.into()),
    }
}

/// The code block of a README: the three lines that run the example.
fn lines(readme: &str) -> Result<String, String> {
    let block = readme
        .split_once("```sh\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .ok_or("no code block")?
        .0;
    match block.lines().count() {
        3 => Ok(block.to_string()),
        other => Err(format!("{other} lines, not 3")),
    }
}

fn echoes(name: &str) -> Outcome {
    let (tree, _turn) = checkout()?;
    let lines = lines(&fs::read_to_string(
        tree.join("examples").join(name).join("README.md"),
    )?)?;
    // A user stops the server by hand. The port number is the README's, so another run of these tests may be using the port.
    let script = format!("{lines}status=$?\nkill $(jobs -p)\nwait\nexit $status\n");
    for _ in 0..20 {
        let run = run_within(
            Command::new("timeout")
                .args(["300", "bash", "-c", &script])
                .env_remove("LD_LIBRARY_PATH")
                .env_remove("CARGO_TARGET_DIR")
                .current_dir(&tree),
            Duration::from_secs(310),
        );
        match run {
            // The client then asked another server, which may know its conversation from another client.
            Err(error) if error.to_string().contains("Address already in use") => {
                thread::sleep(Duration::from_secs(2));
            }
            run => return check(&run?),
        }
    }
    Err("the port of the example is never free".into())
}

/// All echoes came back unchanged, over a link that lost packets.
fn check(wrote: &str) -> Outcome {
    if !wrote.contains("100 echoes, all equal") {
        return Err(wrote.into());
    }
    let lost = wrote
        .lines()
        .find(|line| line.ends_with("packets were thrown away"))
        .and_then(|line| line.split(' ').next()?.parse::<u32>().ok());
    match lost {
        Some(1..) => Ok(()),
        _ => Err(format!("no packet was lost:\n{wrote}").into()),
    }
}
