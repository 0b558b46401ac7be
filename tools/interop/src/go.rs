//! kcp-go, as packaged by the distribution: the program in `go/`, a child process.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kcp_peers::go;
use tempfile::TempDir;

use crate::transfer::{Digest, Mode, Report};

/// Which part of kcp-go is used, and which side speaks first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its protocol alone, which accepts messages of many fragments.
    Core,
    /// Its sessions, accepted by a listener.
    Listen,
    /// Its sessions, which choose the conversation number.
    Dial,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Core => "core",
            Role::Listen => "listen",
            Role::Dial => "dial",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(match self {
            Role::Core => "protocol alone",
            Role::Listen => "session that listens",
            Role::Dial => "session that dials",
        })
    }
}

/// The program, after building.
pub struct Go {
    program: PathBuf,
    _folder: TempDir,
}

/// The program's task.
pub struct Job {
    pub role: Role,
    pub mode: Mode,
    pub bytes: usize,
    pub longest: usize,
    pub conv: u32,
    pub seed: u64,
    /// Where it sends to.
    pub link: SocketAddr,
}

impl Go {
    /// Builds the program; the error says what is missing.
    pub fn build() -> Result<Go, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/peer.go");
        go::build(&source, folder.path(), "peer").map_err(|error| error.to_string())?;
        Ok(Go {
            program: folder.path().join("peer"),
            _folder: folder,
        })
    }

    pub fn start(&self, job: &Job) -> Result<Peer> {
        let mut command = Command::new(&self.program);
        command
            .args(["-role", job.role.name()])
            .args(["-bytes", &job.bytes.to_string()])
            .args(["-longest", &job.longest.to_string()])
            .args(["-conv", &job.conv.to_string()])
            // Go's numbers are signed.
            .args(["-seed", &(job.seed >> 1).to_string()])
            .args(["-link", &job.link.to_string()])
            .arg(format!("-stream={}", job.mode == Mode::Stream))
            .arg(format!("-extended={}", job.mode == Mode::Extended))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().context("no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut peer = Peer {
            child,
            lines,
            address: None,
        };
        if job.role != Role::Dial {
            let line = peer.line(Instant::now() + Duration::from_secs(10))?;
            let address = line
                .strip_prefix("address ")
                .with_context(|| format!("kcp-go says {line:?}"))?;
            peer.address = Some(address.parse()?);
        }
        Ok(peer)
    }
}

/// The running program.
pub struct Peer {
    child: Child,
    lines: Receiver<String>,
    address: Option<SocketAddr>,
}

impl Peer {
    /// Where it receives, unless it dials.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    fn line(&mut self, deadline: Instant) -> Result<String> {
        let wait = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(wait) {
            Ok(line) => Ok(line),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("kcp-go did not finish within the time limit")
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                bail!("kcp-go ended: {}", self.child.wait()?)
            }
        }
    }

    /// Waits until the program has sent and received everything; it keeps acknowledging.
    pub fn report(&mut self, limit: Duration) -> Result<Report> {
        let line = self.line(Instant::now() + limit)?;
        let words: Vec<_> = line.split(' ').collect();
        ensure!(
            words.len() == 3 && words[0] == "report",
            "kcp-go says {line:?}"
        );
        Ok(Report {
            sent: Digest(words[1].to_string()),
            received: Digest(words[2].to_string()),
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The program ends when its input is closed; this is for a program that hangs.
        drop(self.child.stdin.take());
        let end = Instant::now() + Duration::from_secs(2);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
