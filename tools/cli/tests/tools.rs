//! All tools from the outside: they refuse nonsense in one line before anything is measured, and Ctrl-C keeps what was measured.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// An option and values that it refuses.
type Refused = (&'static str, &'static [&'static str]);

/// The commands that have a link, and its options.
const WITH_LINK: [&str; 3] = ["kcp-lab latency", "kcp-lab contend", "kcp-lab explain"];
const LINK: &[Refused] = &[
    ("--link", &["", "5g"]),
    ("--rtt", MILLISECONDS),
    ("--jitter", MILLISECONDS),
    ("--loss", PERCENT),
    ("--burst", MILLISECONDS),
    ("--bandwidth", BANDWIDTH),
    ("--queue", MILLISECONDS),
    ("--reorder", PERCENT),
    ("--reorder-by", MILLISECONDS),
];

/// For each command and each of its options that take a value: values that it refuses. `{file}` is some file, `{folder}` a folder.
const REFUSED: &[(&str, &[Refused])] = &[
    (
        "kcp-lab latency",
        &[
            ("--library", LIBRARY),
            ("--seed", SEED),
            ("--out", FOLDER),
            ("--mode", MODE),
            ("--tcp", &["", "cu bic", "../cubic"]),
            ("--sysctl", &["", "tcp_sack", "=1", "../x=1"]),
            ("--size", &["3", "-1", "1e3", "174753", "nan", ""]),
            ("--every", &["0", "-1", "60001", "nan", ""]),
            ("--messages", &["", "/no/such/file", "{folder}", "{file}"]),
            ("--until", &["0", "-1", "60001", "1.5", "nan", ""]),
            ("--seconds", &["0", "-1", "3601", "nan", ""]),
            ("--sessions", &["0", "-1", "1001", "nan", ""]),
            ("--window", WINDOW),
        ],
    ),
    (
        "kcp-lab throughput",
        &[
            ("--library", LIBRARY),
            ("--original", LIBRARY),
            ("--window", WINDOW),
            ("--loss", PERCENT),
            ("--rtt", &["0", "-1", "10001", "nan", "inf", "20,,100", ""]),
            ("--bandwidth", BANDWIDTH),
            ("--queue", MILLISECONDS),
            ("--jitter", MILLISECONDS),
            ("--burst", MILLISECONDS),
            ("--mode", MODE),
            ("--seconds", &["0", "-1", "3601", "nan", ""]),
            ("--warm-up", &["-1", "1.5", "3601", "nan", ""]),
            ("--repeat", &["0", "-1", "1001", "nan", ""]),
            ("--seed", SEED),
            ("--out", FOLDER),
        ],
    ),
    (
        "kcp-lab contend",
        &[
            ("--library", LIBRARY),
            (
                "--flow",
                &[
                    "", "udp", "0xbbr", "65xbbr", "bbr@0", "bbr@x", "tcp-", "tcp-../x", "bbr+warp",
                ],
            ),
            ("--window", WINDOW),
            ("--apart", &["-1", "601", "3s", "nan", ""]),
            ("--seconds", &["0", "-1", "601", "nan", ""]),
            ("--from", &["-1", "30", "601", "nan", ""]),
            ("--seed", SEED),
            ("--out", FOLDER),
        ],
    ),
    (
        "kcp-lab scale",
        &[
            ("--library", LIBRARY),
            ("--original", LIBRARY),
            ("--connections", &["0", "-1", "20001", "10,0", "nan", ""]),
            ("--interval", &["9", "-1", "5001", "nan", ""]),
            ("--sweep", &["0", "-1", "1001", "nan", ""]),
            ("--every", &["0", "-1", "60001", "nan", ""]),
            ("--size", &["7", "-1", "174753", "nan", ""]),
            ("--seconds", &["0", "-1", "601", "nan", ""]),
            ("--out", FOLDER),
        ],
    ),
    (
        "kcp-lab explain",
        &[
            ("--library", LIBRARY),
            ("--seed", SEED),
            ("--from", &["-1", "1.5", "86400001", "nan", ""]),
            ("--to", &["-1", "0", "86400001", "nan", ""]),
            ("--out", FOLDER),
            ("--mode", MODE),
            ("--messages", &["0", "-1", "100001", "nan", ""]),
            ("--size", &["3", "-1", "174753", "nan", ""]),
            ("--every", &["-1", "60001", "nan", ""]),
            ("--window", WINDOW),
        ],
    ),
    (
        "kcp-lab doctor {file}",
        &[
            ("--before", &["-1", "513", "1.5", "nan", ""]),
            ("--key", &["", "aes", "hex:0", "hex:xy", "des:hemlock"]),
            ("--stack-keys", LIBRARY),
            ("--conv", &["-1", "4294967296", "0xg", "1.5", ""]),
            ("--library", LIBRARY),
            ("--html", FILE),
            ("--qlog", FILE),
        ],
    ),
    (
        "kcp-bench",
        &[
            ("--ours", LIBRARY),
            ("--original", LIBRARY),
            (
                "--other",
                &["", "name", "=x", "x=/no/such/file", "original={file}"],
            ),
            ("--archive", &["", "name", "ours=/no/such/file", "x={file}"]),
            ("--scenario", &["no such"]),
            ("--repeat", &["0", "-1", "1001", "nan", ""]),
            ("--seed", SEED),
            ("--csv", FILE),
            ("--curve", FILE),
        ],
    ),
    (
        "kcp-bench instructions",
        &[
            ("--library", LIBRARY),
            ("--record", FILE),
            ("--check", &["", "{folder}", "/no/such/file", "{file}"]),
            ("--scenario", &["no such"]),
        ],
    ),
    (
        "kcp-compare {file} {file}",
        &[
            (
                "--seeds",
                &[
                    "-1",
                    "5..5",
                    "5..2",
                    "1..2..3",
                    "x",
                    "nan",
                    "0..999999999999999999",
                    "18446744073709551615",
                    "",
                ],
            ),
            ("--class", &["no such", ""]),
            ("--steps", &["0", "-1", "1000001", "nan", ""]),
            ("--jobs", &["0", "-1", "256", "nan", ""]),
            ("--profile", &["1.6", ""]),
            ("--layout-a", &["300", ""]),
            ("--layout-b", &["300", ""]),
            ("--lists-every", &["-1", "1000001", "nan", ""]),
            ("--candidates", &["0", "-1", "1001", "nan", ""]),
            ("--shrink-seconds", &["0", "-1", "86401", "nan", ""]),
            ("--patience", &["0", "-1", "86401", "nan", ""]),
        ],
    ),
    (
        "kcp-interop",
        &[
            ("--megabytes", &["0", "-1", "1001", "nan", ""]),
            ("--loss", PERCENT),
            ("--delay", &["-1", "10001", "nan", ""]),
            ("--jitter", &["-1", "10001", "nan", ""]),
            ("--limit", &["0", "-1", "86401", "nan", ""]),
            ("--seed", &["-1", "1.5", "18446744073709551616", ""]),
            ("--library", LIBRARY),
        ],
    ),
    (
        "kcp-stack",
        &[
            ("--rounds", &["0", "-1", "101", "nan", ""]),
            ("--seconds", &["0", "-1", "61", "nan", ""]),
            ("--work", &["no such"]),
            ("--peers", &["no such", "stack,no such"]),
            ("--window", &["31", "-1", "32769", "nan", ""]),
            ("--beside", LIBRARY),
            ("--servers", &["0", "-1", "65", "nan", ""]),
        ],
    ),
    (
        "kcp-connections",
        &[
            ("--seconds", &["0", "-1", "601", "nan", ""]),
            ("--repeat", &["0", "-1", "101", "nan", ""]),
            ("--scenario", &["no such"]),
        ],
    ),
    (
        "latency",
        &[
            ("--loss", &["-1", "101", "0.5", "nan", "5x", ""]),
            ("--rtt", &["-1 5", "5 4", "5 10001", "nan 5", "5"]),
            ("--messages", &["0", "-1", "1000001", "nan", ""]),
            ("--seed", &["-1", "2147483648", "nan", ""]),
        ],
    ),
];

const PERCENT: &[&str] = &[
    "-1", "-0.1", "100.1", "150", "nan", "NaN", "inf", "5%", "x", "",
];
const MILLISECONDS: &[&str] = &["-1", "60001", "1e9", "nan", "inf", "5ms", ""];
const BANDWIDTH: &[&str] = &["-1", "0.0001", "1e9", "nan", "inf", ""];
const SEED: &[&str] = &["-1", "1.5", "18446744073709551615", "x", ""];
const WINDOW: &[&str] = &["0", "-1", "65536", "1.5", "nan", ""];
const MODE: &[&str] = &[
    "",
    "warp",
    "1,10,2",
    "1,10,2,1,1,1",
    "3,10,2,1",
    "1,0,2,1",
    "1,10,-2,1",
    "1,10,2,2",
    "1,10,2,1,0",
    "turbo+",
    "turbo+warp",
    "turbo+0ms",
    "turbo+flush+flush",
    "bbr+cubic",
];
const FOLDER: &[&str] = &["/dev/null/x", "/proc/x", "{file}"];
const FILE: &[&str] = &["{folder}", "/no/such/folder/x", "/proc/x"];
const LIBRARY: &[&str] = &["", "/no/such/file", "{folder}", "{file}"];

/// Options that do not fit each other.
const TOGETHER: &[&str] = &[
    "kcp-lab latency --every 5000 --seconds 3",
    "kcp-lab contend --bandwidth 0 --flow 2xturbo",
    "kcp-lab contend --flow 2xturbo --apart 30 --seconds 30",
    "kcp-lab contend --flow 40xturbo --flow 40xnormal",
    "kcp-lab explain --from 500 --to 500",
    "kcp-lab explain --from 500 --to 300",
    "kcp-bench --curve x.svg --scenario bulk",
    "kcp-bench --quick instructions",
    "kcp-bench instructions --record x --check {file}",
    "kcp-bench --other x={file} --other x={file}",
    "kcp-compare {file}",
    "kcp-compare {file} {file}",
    "latency --fast",
    "latency 5",
    "latency --seed",
];

/// Where the tools are; they are built here, since cargo builds only those of a test's own package.
fn tools() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // <target>/debug/deps/tools-..., or release
        let test = env::current_exe().expect("a test has a path");
        let folder = test
            .ancestors()
            .nth(2)
            .expect("it is in deps")
            .to_path_buf();
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--bins", "--locked", "--manifest-path"])
            .arg(manifest)
            .args((!cfg!(debug_assertions)).then_some("--release"));
        build
            .arg("--target-dir")
            .arg(folder.parent().expect("<target>"));
        assert!(build.status().expect("cargo runs").success());

        let root = kcp_abi::ours::root();
        let library = kcp_abi::ours_with(&[]).expect("this repository's library builds");
        let mut compile = Command::new("cc");
        compile
            .arg("-I")
            .arg(root.join("include"))
            .arg(root.join("examples/latency/latency.c"))
            .arg(library.archive)
            .arg("-o")
            .arg(folder.join("latency"));
        assert!(compile.status().expect("cc runs").success());
        folder
    })
}

/// A folder of its own for each test.
fn scratch(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("kcp-cli-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// A line of words, of which the first is the tool; then more arguments.
fn command(line: &str, more: &[&str], scratch: &Path) -> Command {
    let file = scratch.join("file");
    fs::write(&file, "x").expect("a temporary file");
    let fill = |word: &str| {
        word.replace("{file}", &file.to_string_lossy())
            .replace("{folder}", &scratch.to_string_lossy())
    };
    let mut words = line.split(' ').map(fill);
    let mut command = Command::new(tools().join(words.next().expect("a tool")));
    command
        .args(words)
        .args(more.iter().map(|word| fill(word)))
        .current_dir(scratch)
        .env_remove("KCP_ORIGINAL")
        .env_remove("IKCP_SEED");
    command
}

fn run(command: &mut Command) -> (Output, String, String) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the tool runs");
    with_texts(output)
}

/// The same with a Ctrl-C when the tool has begun. A signal before its handler is there would end it like any program.
fn interrupted(command: &mut Command) -> (Output, String, String) {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool runs");
    await_handler(child.id());
    thread::sleep(Duration::from_secs(1)); // something to show
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
    with_texts(child.wait_with_output().expect("the tool ends"))
}

/// Waits until a process catches Ctrl-C, or has ended.
fn await_handler(process: u32) {
    for _ in 0..6000 {
        // Without /proc, which only Linux has, four seconds are enough on most machines.
        let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
            return thread::sleep(Duration::from_secs(4));
        };
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        match caught {
            Some(mask) if mask >> 1 & 1 == 1 => return, // SIGINT is 2
            _ if status.contains("\nState:\tZ") => return,
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("process {process} has no handler for Ctrl-C after a minute");
}

fn with_texts(output: Output) -> (Output, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

/// What is wrong with how a tool refuses: it must be one line that names the option, with exit code 2 and without any other output.
fn complaint(command: &mut Command, names: &str) -> Option<String> {
    let (output, stdout, stderr) = run(command);
    let first = stderr.lines().next().unwrap_or_default();
    // Below it clap says only that there is --help.
    // Another cargo may run, which cargo says.
    let says = |line: &&str| !line.is_empty() && !line.trim_start().starts_with("Blocking");
    let one_line = stderr.lines().filter(says).count() <= 4;
    let fine = output.status.code() == Some(2)
        && stdout.is_empty()
        && one_line
        && first.contains(names)
        && !stderr.contains("panicked");
    (!fine).then(|| format!("{command:?}: {}\n{stdout}{stderr}", output.status))
}

/// A command's own options and those of its link.
fn all_options(line: &str, own: &'static [Refused]) -> impl Iterator<Item = &'static Refused> {
    let link = if WITH_LINK.contains(&line) { LINK } else { &[] };
    own.iter().chain(link)
}

#[test]
fn every_option_refuses_nonsense() {
    let scratch = scratch("options");
    let mut complaints = Vec::new();
    for (line, options) in REFUSED {
        for (option, values) in all_options(line, options) {
            for value in *values {
                let mut words = vec![*option];
                match *line {
                    "latency" => words.extend(value.split(' ')),
                    _ => words.push(value),
                }
                // What a file or a folder has wrong is known to the system, which names the path.
                let names = match *option {
                    "--out" => "folder",
                    "--csv" | "--curve" | "--record" | "--html" | "--qlog" => "file",
                    "--scenario" => "no such",
                    "--messages" if value.starts_with(['/', '{']) => "",
                    _ if value.contains("{file}") => "",
                    option => option,
                };
                complaints.extend(complaint(&mut command(line, &words, &scratch), names));
            }
        }
    }
    for line in TOGETHER {
        complaints.extend(complaint(&mut command(line, &[], &scratch), ""));
    }
    fs::remove_dir_all(&scratch).ok();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A new option without a line in the table fails here.
#[test]
fn the_table_has_every_option() {
    let scratch = scratch("help");
    for (line, options) in REFUSED {
        let line = line.split(" {").next().expect("a command");
        let (_, help, _) = run(&mut command(line, &["--help"], &scratch));
        let with_value = help.lines().filter_map(|line| {
            let start = line.find("--").filter(|at| line[..*at].trim().len() <= 3)?;
            let mut words = line[start..].split(' ');
            let option = words.next()?;
            words
                .next()
                .is_some_and(|value| value.starts_with(|c: char| c == '<' || c.is_uppercase()))
                .then_some(option)
        });
        let there: BTreeSet<&str> = with_value.collect();
        let in_table: BTreeSet<&str> = all_options(line, options)
            .map(|(option, _)| *option)
            .collect();
        assert_eq!(there, in_table, "{line}");
    }
    fs::remove_dir_all(&scratch).ok();
}

#[test]
fn nothing_that_came_back_is_an_error() {
    let scratch = scratch("nothing");
    let short = "--loss 100 --out {folder}";
    for (line, says) in [
        (
            "kcp-lab latency --mode fast --no-tcp --no-enet --seconds 1 --sessions 1",
            "nothing arrived",
        ),
        (
            "kcp-lab explain --mode fast --messages 1",
            "no message arrived",
        ),
        (
            "kcp-lab throughput --mode fast --window 32 --rtt 20 --seconds 1 --repeat 1",
            "nothing was delivered",
        ),
        (
            "kcp-lab contend --flow 2xfast --seconds 1",
            "nothing was delivered",
        ),
    ] {
        let more: Vec<_> = short.split(' ').collect();
        let (output, _, stderr) = run(&mut command(line, &more, &scratch));
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        assert!(stderr.contains(says), "{line}: {stderr}");
    }
    fs::remove_dir_all(&scratch).ok();
}

#[test]
fn our_library_in_place_of_the_original_gets_a_warning() {
    let scratch = scratch("original");
    let ours = kcp_abi::ours().expect("this repository's library builds");
    let copy = scratch.join("copy.so");
    fs::copy(&ours, &copy).expect("a copy");
    let (ours, copy) = (ours.to_string_lossy(), copy.to_string_lossy());
    for (line, arguments) in [
        ("kcp-compare --seeds 1 --steps 10", vec![&*ours, &*copy]),
        (
            "kcp-bench --scenario memory --quick --repeat 1 --original",
            vec![&*copy],
        ),
    ] {
        let (output, _, stderr) = run(&mut command(line, &arguments, &scratch));
        assert!(output.status.success(), "{line}: {stderr}");
        assert!(stderr.contains("is not the original"), "{line}: {stderr}");
    }
    fs::remove_dir_all(&scratch).ok();
}

#[test]
fn a_mode_that_the_library_lacks_is_refused() {
    let scratch = scratch("lacks");
    let ours = kcp_abi::ours().expect("this repository's library builds");
    let mut bytes = fs::read(ours).expect("the library");
    // Under another name nobody finds the functions of ikcpx.h.
    for at in 0..bytes.len() - 6 {
        if bytes[at..].starts_with(b"ikcpx_") {
            bytes[at + 4] = b'y';
        }
    }
    let library = scratch.join("without.so");
    fs::write(&library, bytes).expect("a copy");
    let library = library.to_string_lossy();
    let mut complaints = Vec::new();
    for (mode, lacks) in [
        ("--mode bbr", "has no ikcpx_bbr"),
        ("--mode normal+cubic+flush", "has no ikcpx_cubic"),
        ("--mode turbo+rack", "has no ikcpx_rack"),
    ] {
        for tool in [
            "latency --no-tcp --no-enet",
            "throughput",
            "explain",
            "contend",
        ] {
            let mode = match tool {
                "contend" => mode.replace("--mode ", "--flow 2x"),
                _ => mode.to_string(),
            };
            let line = format!("kcp-lab {tool} --out {{folder}} {mode} --library");
            complaints.extend(complaint(&mut command(&line, &[&library], &scratch), lacks));
        }
    }
    fs::remove_dir_all(&scratch).ok();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Each has something to show soon, and work for minutes on any machine: a fast one once came to the end before Ctrl-C.
#[test]
fn ctrl_c_keeps_what_was_measured() {
    let scratch = scratch("interrupt");
    let ours = kcp_abi::ours().expect("this repository's library builds");
    let copy = scratch.join("copy.so");
    fs::copy(&ours, &copy).expect("a copy");
    let (ours, copy) = (ours.to_string_lossy(), copy.to_string_lossy());
    let (windows, connections) = (["32"; 500].join(","), ["10"; 500].join(","));
    for (line, arguments) in [
        (
            "kcp-lab latency --no-tcp --no-enet --sessions 1000 --seconds 3600 --out {folder}",
            vec![],
        ),
        (
            "kcp-lab throughput --loss 0 --seconds 100 --out {folder} --window",
            vec![&*windows],
        ),
        (
            "kcp-lab contend --flow 4xnormal@4096 --bandwidth 10000 --seconds 600 --out {folder}",
            vec![],
        ),
        (
            "kcp-lab scale --interval 10 --seconds 1 --out {folder} --connections",
            vec![&*connections],
        ),
        (
            "kcp-bench --quick --scenario bulk-128 --repeat 1000",
            vec![],
        ),
        ("kcp-compare --seeds 0..1000000", vec![&*ours, &*copy]),
        ("latency", vec![]),
    ] {
        let (output, text, errors) = interrupted(&mut command(line, &arguments, &scratch));
        assert_eq!(output.status.code(), Some(130), "{line}: {text}{errors}");
        assert!(text.contains("Interrupted"), "{line}: {text}{errors}");
    }
    fs::remove_dir_all(&scratch).ok();
}

#[test]
fn ctrl_c_before_the_first_figure_is_no_error_of_the_tool() {
    let scratch = scratch("early");
    let lines = [
        "kcp-lab throughput --loss 0 --rtt 10000 --window 32768 --seconds 3600 --out {folder}",
        "kcp-lab scale --connections 10 --interval 10 --seconds 600 --out {folder}",
    ];
    for line in lines {
        let (output, text, errors) = interrupted(&mut command(line, &[], &scratch));
        assert_eq!(output.status.code(), Some(130), "{line}: {text}{errors}");
        assert!(
            text.contains("Interrupted after 0"),
            "{line}: {text}{errors}"
        );
    }
    fs::remove_dir_all(&scratch).ok();
}

/// `kcp-lab doctor capture | head` ended with a panic and where it was.
#[test]
fn a_reader_that_had_seen_enough_was_a_panic() {
    let scratch = scratch("reader");
    let lines = [
        "kcp-lab throughput --loss 0 --window 32 --seconds 1 --out {folder}",
        "kcp-bench --quick --scenario size",
    ];
    for line in lines {
        let mut command = command(line, &[], &scratch);
        let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("it runs");
        drop(child.stdout.take());
        let (output, _, errors) = with_texts(child.wait_with_output().expect("it ends"));
        assert_eq!(output.status.code(), Some(141), "{line}: {errors}");
        assert!(!errors.contains("panicked"), "{line}: {errors}");
    }
    fs::remove_dir_all(&scratch).ok();
}
