//! What is sent, and the arguments that tell the programs.

use anyhow::{Context, Result, bail};

/// File descriptors of a client of the stack.
const DESCRIPTORS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Clients send as much as they can.
    Up,
    /// The server sends as much as it can.
    Down,
    /// Each client sends a message every so often, and the server sends it back.
    Echo,
    Idle,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Up, Kind::Down, Kind::Echo, Kind::Idle];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Up => "up",
            Kind::Down => "down",
            Kind::Echo => "echo",
            Kind::Idle => "idle",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Work {
    pub name: String,
    pub kind: Kind,
    pub connections: usize,
    /// Bytes of a message.
    pub size: usize,
    pub window: u32,
    /// Milliseconds between two messages of a connection that echoes.
    pub period: u64,
}

pub fn works(window: u32) -> Vec<Work> {
    let bulk = |name: &str, kind, connections| Work {
        name: name.to_string(),
        kind,
        connections,
        size: 8000,
        window,
        period: 0,
    };
    let idle = possible(15_000);
    vec![
        bulk("bulk, 1 connection", Kind::Up, 1),
        bulk("bulk up, 100", Kind::Up, 100),
        bulk("bulk down, 100", Kind::Down, 100),
        Work {
            size: 100,
            period: 50,
            ..bulk("echo, 1,000", Kind::Echo, 1000)
        },
        Work {
            size: 100,
            ..bulk(&format!("idle, {idle}"), Kind::Idle, idle)
        },
    ]
}

/// A part of a work's name, for `--work`.
pub fn known(part: &str) -> Result<String> {
    let works = works(32);
    if works.iter().any(|work| work.name.contains(part)) {
        return Ok(part.to_string());
    }
    let names: Vec<String> = works.into_iter().map(|work| work.name).collect();
    bail!("no such work; their names: {}", names.join("; "))
}

/// As many connections as the clients' process may have file descriptors for.
fn possible(wanted: usize) -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call fills the struct.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0;
    match failed {
        true => wanted,
        false => wanted.min((limit.rlim_max as usize).saturating_sub(200) / DESCRIPTORS),
    }
}

/// What one end is told.
pub struct Job {
    pub is_server: bool,
    pub kind: Kind,
    pub connections: usize,
    pub size: usize,
    pub window: u32,
    pub period: u64,
    /// A client's: where the server is.
    pub address: String,
}

impl Job {
    pub fn read(arguments: &[String]) -> Result<Job> {
        let [role, kind, connections, size, window, period, rest @ ..] = arguments else {
            bail!("ROLE WORK CONNECTIONS SIZE WINDOW PERIOD [ADDRESS]");
        };
        Ok(Job {
            is_server: role == "server",
            kind: *Kind::ALL
                .iter()
                .find(|known| known.name() == kind)
                .context("unknown work")?,
            connections: connections.parse()?,
            size: size.parse()?,
            window: window.parse()?,
            period: period.parse()?,
            address: rest.first().cloned().unwrap_or_default(),
        })
    }
}
