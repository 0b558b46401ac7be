//! One run of one peer: a server on the first core, clients on the second unless the peer says otherwise, and what each used.

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::peer::Peer;
use crate::work::{Kind, Work};

/// What was used, and what arrived, within the time that was measured.
#[derive(Clone, Copy, Default)]
pub struct Found {
    pub seconds: f64,
    pub server: f64,
    pub clients: f64,
    pub bytes: u64,
    pub messages: u64,
    /// Sent by the end that sends in bulk; 0 where the peer does not say.
    pub packets: u64,
    /// The server's memory, in bytes for each connection.
    pub memory: f64,
}

/// Where packets go: loopback, or a pair of veth between two namespaces, which are removed in the end.
pub struct Link {
    spaces: Option<[String; 2]>,
}

const ADDRESSES: [&str; 2] = ["10.199.77.1", "10.199.77.2"];

impl Link {
    pub fn new(veth: bool) -> Result<Link> {
        if !veth {
            return Ok(Link { spaces: None });
        }
        let spaces = ["s", "c"].map(|end| format!("kcps{}{end}", std::process::id()));
        let link = Link {
            spaces: Some(spaces.clone()),
        };
        for space in &spaces {
            ip(&format!("netns add {space}"))?;
        }
        let [server, clients] = &spaces;
        ip(&format!(
            "link add eth0 netns {server} type veth peer name eth0 netns {clients}"
        ))?;
        for (space, address) in spaces.iter().zip(ADDRESSES) {
            ip(&format!("-n {space} address add {address}/24 dev eth0"))?;
            ip(&format!("-n {space} link set lo up"))?;
            ip(&format!("-n {space} link set eth0 up"))?;
        }
        Ok(link)
    }

    fn host(&self) -> &'static str {
        self.spaces.as_ref().map_or("127.0.0.1", |_| ADDRESSES[0])
    }

    fn command(&self, end: usize, program: &[String]) -> Command {
        let mut all: Vec<&str> = Vec::new();
        if let Some(spaces) = &self.spaces {
            all.extend(["ip", "netns", "exec", &spaces[end]]);
        }
        all.extend(program.iter().map(String::as_str));
        let mut command = Command::new(all[0]);
        command.args(&all[1..]).env("KCP_STACK_HOST", self.host());
        command
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for space in self.spaces.iter().flatten() {
            let _ = ip(&format!("netns delete {space}"));
        }
    }
}

fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status()?;
    ensure!(status.success(), "ip {arguments}: {status}");
    Ok(())
}

/// A process of a peer.
struct End {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time, and bytes, messages and packets since the beginning.
#[derive(Clone, Copy, Default)]
struct Sample {
    cpu: f64,
    counts: [u64; 3],
}

impl End {
    fn start(mut command: Command, cores: Range<usize>) -> Result<End> {
        // SAFETY: only a system call, on memory of its own.
        unsafe {
            command.pre_exec(move || {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                for core in cores.clone() {
                    libc::CPU_SET(core, &mut set);
                }
                match libc::sched_setaffinity(0, size_of_val(&set), &set) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        Ok(End {
            child,
            input,
            output,
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "a program ended");
        Ok(line.trim().to_string())
    }

    fn cpu(&self) -> Result<f64> {
        let mut clock = 0;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both calls write into the places that they are given.
        let failed = unsafe {
            libc::clock_getcpuclockid(self.child.id() as libc::pid_t, &mut clock) != 0
                || libc::clock_gettime(clock, &mut time) != 0
        };
        ensure!(!failed, "no CPU time of a program");
        Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    fn sample(&mut self) -> Result<Sample> {
        self.input.write_all(b"\n")?;
        let line = self.line()?;
        let counts: Vec<u64> = line
            .split(' ')
            .map(|field| field.parse::<u64>())
            .collect::<Result<_, _>>()
            .with_context(|| line.clone())?;
        Ok(Sample {
            cpu: self.cpu()?,
            counts: counts.try_into().ok().context("not three counts")?,
        })
    }

    /// Memory that is not on the disk, in bytes.
    fn memory(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes: f64 = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())
            .context("no VmRSS")?
            .parse()?;
        Ok(kilobytes * 1024.0)
    }
}

fn sum(ends: &mut [End]) -> Result<Sample> {
    let mut all = Sample::default();
    for end in ends {
        let one = end.sample()?;
        all.cpu += one.cpu;
        for (count, more) in all.counts.iter_mut().zip(one.counts) {
            *count += more;
        }
    }
    Ok(all)
}

pub fn run(peer: &Peer, work: &Work, link: &Link, seconds: u64) -> Result<Found> {
    let all_work = Work {
        connections: work.connections * peer.cores,
        ..work.clone()
    };
    let program = |role: &str, work: &Work| {
        let mut all = peer.command();
        all.push(role.to_string());
        all.extend(work.arguments());
        all
    };
    let mut server = End::start(
        link.command(0, &program("server", &all_work)),
        0..peer.cores,
    )?;
    let address = server.line()?;
    let Some(rest) = address.strip_prefix("address ") else {
        bail!("{address}");
    };
    let empty = server.memory()?;
    let mut all = program("client", work);
    all.push(format!("{}:{rest}", link.host()));
    // A process on each core, which stays there: one that went from core to core would be measured with the servers.
    let places = if peer.is_shared { 0..peer.cores } else { 1..2 };
    let mut clients = places
        .map(|core| End::start(link.command(1, &all), core..core + 1))
        .collect::<Result<Vec<End>>>()?;
    for end in &mut clients {
        let ready = end.line()?;
        ensure!(ready == "ready", "{ready}");
    }
    // What follows on a login has come to its end after more than a second where there are many.
    let warm = if work.kind == Kind::Idle { 8 } else { 1 };
    thread::sleep(Duration::from_secs(warm));
    let begun = Instant::now();
    let before = [server.sample()?, sum(&mut clients)?];
    // A heartbeat is every 15 s.
    let least = if work.kind == Kind::Idle { 15 } else { 0 };
    thread::sleep(Duration::from_secs(seconds.max(least)));
    let after = [server.sample()?, sum(&mut clients)?];
    let took = begun.elapsed();
    let receiver = usize::from(work.kind != Kind::Up);
    let count = |end: usize, what: usize| after[end].counts[what] - before[end].counts[what];
    Ok(Found {
        seconds: took.as_secs_f64(),
        server: after[0].cpu - before[0].cpu,
        clients: after[1].cpu - before[1].cpu,
        bytes: count(receiver, 0),
        messages: count(receiver, 1),
        packets: count(1 - receiver, 2),
        memory: (server.memory()? - empty) / all_work.connections as f64,
    })
}
