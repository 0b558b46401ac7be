//! The peers: how their programs are built, and which are missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::work::{Kind, Work};

pub struct Peer {
    pub name: String,
    program: PathBuf,
    first: Vec<String>,
    /// Of a peer that does not need hours, or all ports, for 15,000 connections.
    idles: bool,
    /// The server's cores, from the first on.
    pub cores: usize,
    /// The clients run on the same, and there are as many more; otherwise they run on the second core.
    pub is_shared: bool,
}

impl Peer {
    fn new(name: &str, program: &Path, first: &[&str]) -> Peer {
        Peer {
            name: name.to_string(),
            program: program.to_path_buf(),
            first: first.iter().map(ToString::to_string).collect(),
            idles: false,
            cores: 1,
            is_shared: false,
        }
    }

    pub fn command(&self) -> Vec<String> {
        let mut all = vec![self.program.display().to_string()];
        all.extend(self.first.iter().cloned());
        all
    }

    pub fn takes(&self, work: &Work) -> bool {
        self.idles || work.kind != Kind::Idle
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What peers are called, for `--peers`: a misspelt one would leave out all, after everything was built.
const NAMES: [&str; 7] = [
    "the stack, servers: each among its clients",
    "stack of",
    "quinn",
    "tokio_kcp",
    "ENet",
    "kcp-go, AES",
    "kcp-go",
];

pub fn known(part: &str) -> Result<String> {
    if !NAMES.iter().any(|name| name.contains(part)) {
        bail!("no such peer; their names: {}", NAMES.join("; "));
    }
    Ok(part.to_string())
}

/// A folder with the stack's headers, for `--beside`.
pub fn copy(folder: &str) -> Result<PathBuf> {
    let header = Path::new(folder).join("client.h");
    match fs::metadata(&header) {
        Ok(_) => Ok(PathBuf::from(folder)),
        Err(error) => bail!("{}: {error}", header.display()),
    }
}

/// The stack, copies of it, and the others. The stack must be there; of others that are missing it says why.
pub fn all(folder: &Path, beside: &[PathBuf], servers: usize) -> Result<Vec<Peer>> {
    let library = repository().join("target/release/libkcp.a");
    run(Command::new("cargo")
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(repository().join("Cargo.toml")))?;
    let units = repository().join("examples/stack");
    let mut peers = vec![stack("the stack", &units, &library, folder, 1)?];
    if servers > 1 {
        for count in [1, servers] {
            let name = format!("the stack, servers: {count}, each among its clients");
            peers.push(Peer {
                cores: count,
                is_shared: true,
                idles: false,
                ..stack(&name, &units, &library, folder, count)?
            });
        }
    }
    for copy in beside {
        let name = format!("stack of {}", copy.display());
        peers.push(stack(&name, copy, &library, folder, 1)?);
    }
    let program = env::current_exe()?;
    let own = |name: &str| Peer::new(name, &program, &["part", name]);
    peers.push(own("quinn"));
    peers.push(own("tokio_kcp"));
    if crate::enet::is_there() {
        peers.push(own("ENet"));
    } else {
        eprintln!("without ENet: libenet7 is missing");
    }
    let go = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/peer.go");
    match kcp_peers::go::build(&go, folder, "kcp-go") {
        Ok(()) => {
            for (name, cipher) in [("kcp-go, AES", "aes"), ("kcp-go", "none")] {
                peers.push(Peer::new(name, &folder.join("kcp-go"), &[cipher]));
            }
        }
        Err(error) => eprintln!("without kcp-go: {error}"),
    }
    Ok(peers)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("{:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?}: {}", command, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// What the environment says instead, as in the Makefile of the stack.
fn flags(name: &str, usual: &str) -> Vec<String> {
    let text = env::var(name).unwrap_or_else(|_| usual.to_string());
    text.split_whitespace().map(String::from).collect()
}

/// The units of a folder with the program that uses them, and so many servers in it.
fn stack(name: &str, units: &Path, library: &Path, folder: &Path, servers: usize) -> Result<Peer> {
    let program = folder.join(name.replace('/', "_"));
    let mut sources = Vec::new();
    for file in fs::read_dir(units).with_context(|| units.display().to_string())? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "c") {
            sources.push(file);
        }
    }
    run(Command::new("cc")
        .args(["-std=c99", "-D_GNU_SOURCE", "-O2", "-g", "-o"])
        .arg(&program)
        .arg(format!("-DSERVERS={servers}"))
        .args(flags("SODIUM_CFLAGS", ""))
        .arg(format!("-I{}", repository().join("include").display()))
        .arg(format!("-I{}", units.display()))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stack.c"))
        .args(sources)
        .arg(library)
        .args(flags("SODIUM_LIBS", "-lsodium"))
        .args(["-lpthread", "-lm"]))?;
    Ok(Peer {
        idles: true,
        ..Peer::new(name, &program, &[])
    })
}
