//! ENet: Debian's libenet, loaded at run time, no cipher. Each client has a host, and so a socket, of its own; hosts whose socket is
//! readable are served, and all of them every few milliseconds, as ENet has no other way to tell what is due.

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use kcp_peers::enet::{Enet, Event, Host, Peer};

use crate::counts;
use crate::work::{Job, Kind};

/// How often all hosts are served.
const TICK: Duration = Duration::from_millis(5);

pub fn is_there() -> bool {
    Enet::load().is_ok()
}

/// A connection that sends, and how many of its messages ENet holds.
struct Sender {
    peer: Peer,
    there: &'static Cell<usize>,
}

impl Sender {
    fn new(peer: Peer) -> Sender {
        Sender {
            peer,
            there: Box::leak(Box::new(Cell::new(0))),
        }
    }
}

/// Serves a host, and counts what it receives.
fn serve_host(host: &Host, mut happened: impl FnMut(Event<'_>) -> Result<()>) -> Result<()> {
    host.serve(|event| {
        if let Event::Received(_, bytes) = event {
            counts::took(bytes.len(), 1);
        }
        happened(event)
    })
}

/// Keeps as much waiting as the window of the others, twice.
fn pump(host: &Host, senders: &[Sender], message: &[u8], window: u32) -> Result<()> {
    let most = (2 * window as usize * 1400 / message.len()).max(1);
    for sender in senders {
        while sender.there.get() < most {
            host.send(sender.peer, message, Some(sender.there))?;
        }
    }
    host.flush();
    Ok(())
}

pub fn run(job: &Job) -> Result<()> {
    counts::answer();
    let enet = Enet::load()?;
    if job.is_server {
        serve(&enet, job)
    } else {
        visit(&enet, job)
    }
}

fn serve(enet: &Rc<Enet>, job: &Job) -> Result<()> {
    let host = Host::new(enet, Some(Ipv4Addr::UNSPECIFIED), job.connections)?;
    println!("address {}", host.port());
    let (mut senders, message) = (Vec::new(), vec![7; job.size]);
    let mut sockets = [readable(host.socket())];
    loop {
        // Its own wait ends with an event, and an acknowledgement is none.
        wait(&mut sockets, 5)?;
        serve_host(&host, |event| {
            match event {
                Event::Connected(peer) if job.kind == Kind::Down => senders.push(Sender::new(peer)),
                Event::Received(peer, bytes) if job.kind == Kind::Echo => {
                    host.send(peer, bytes, None)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        if !senders.is_empty() {
            pump(&host, &senders, &message, job.window)?;
        }
    }
}

fn readable(fd: c_int) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

fn wait(sockets: &mut [libc::pollfd], millis: c_int) -> Result<()> {
    // SAFETY: an array of as many elements as are told.
    if unsafe { libc::poll(sockets.as_mut_ptr(), sockets.len() as _, millis) } < 0 {
        bail!(io::Error::last_os_error());
    }
    Ok(())
}

fn visit(enet: &Rc<Enet>, job: &Job) -> Result<()> {
    let to: SocketAddrV4 = job.address.parse()?;
    let (mut hosts, mut sockets, mut senders) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..job.connections {
        let host = Host::new(enet, None, 1)?;
        senders.push(Sender::new(host.connect(to)?));
        sockets.push(readable(host.socket()));
        hosts.push(host);
    }
    let (mut ready, mut served, begun) = (0, Instant::now(), Instant::now());
    let period = Duration::from_millis(job.period);
    let mut next: Vec<Instant> = (0..job.connections)
        .map(|number| begun + period * number as u32 / job.connections as u32)
        .collect();
    let message = vec![7; job.size];
    loop {
        wait(&mut sockets, 1)?;
        let all = served.elapsed() >= TICK;
        if all {
            served = Instant::now();
        }
        for (number, host) in hosts.iter().enumerate() {
            let mut is_due = all || sockets[number].revents != 0;
            if ready == hosts.len() && job.kind == Kind::Echo && served >= next[number] {
                next[number] = served + period;
                host.send(senders[number].peer, &message, None)?;
                is_due = true;
            }
            if !is_due {
                continue;
            }
            serve_host(host, |event| {
                if let Event::Connected(_) = event {
                    ready += 1;
                    if ready == job.connections {
                        println!("ready");
                    }
                }
                Ok(())
            })?;
            if ready == hosts.len() && job.kind == Kind::Up {
                pump(host, &senders[number..=number], &message, job.window)?;
            }
        }
    }
}
