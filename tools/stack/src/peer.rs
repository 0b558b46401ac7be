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
}

impl Peer {
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

/// The stack, copies of it, and the others. The stack must be there; of others that are missing it says why.
pub fn all(folder: &Path, beside: &[PathBuf]) -> Result<Vec<Peer>> {
    let library = repository().join("target/release/libkcp.a");
    run(Command::new("cargo")
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(repository().join("Cargo.toml")))?;
    let mut peers = vec![stack(
        "the stack",
        &repository().join("examples/stack"),
        &library,
        folder,
    )?];
    for copy in beside {
        let name = format!("stack of {}", copy.display());
        peers.push(stack(&name, copy, &library, folder)?);
    }
    let program = env::current_exe()?;
    let own = |name: &str| Peer {
        name: name.to_string(),
        program: program.clone(),
        first: vec!["part".to_string(), name.to_string()],
        idles: false,
    };
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
                peers.push(Peer {
                    name: name.to_string(),
                    program: folder.join("kcp-go"),
                    first: vec![cipher.to_string()],
                    idles: false,
                });
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

/// The units of a folder with the program that uses them.
fn stack(name: &str, units: &Path, library: &Path, folder: &Path) -> Result<Peer> {
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
        .arg(format!("-I{}", repository().join("include").display()))
        .arg(format!("-I{}", units.display()))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stack.c"))
        .args(sources)
        .arg(library)
        .args(["-lsodium", "-lpthread", "-lm"]))?;
    Ok(Peer {
        name: name.to_string(),
        program,
        first: Vec::new(),
        idles: true,
    })
}
