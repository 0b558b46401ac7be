//! `tokio_kcp`: streams with sockets and tasks of their own, no cipher.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

use crate::counts;
use crate::work::{Job, Kind};

fn config(job: &Job) -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig::fastest(),
        wnd_size: (job.window as u16, job.window as u16),
        flush_write: job.kind == Kind::Echo,
        flush_acks_input: true,
        ..KcpConfig::default()
    }
}

pub fn run(job: &Job) -> Result<()> {
    counts::answer_beside(async {
        if job.is_server {
            serve(job).await
        } else {
            visit(job).await
        }
    })
}

/// Sends without an end.
async fn pump(stream: &mut KcpStream, size: usize) -> Result<()> {
    let message = vec![7; size];
    loop {
        stream.send(&message).await?;
    }
}

/// Receives without an end.
async fn drain(stream: &mut KcpStream, echo: bool) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let size = stream.recv(&mut buffer).await?;
        counts::took(size, 1);
        if echo {
            stream.send(&buffer[..size]).await?;
        }
    }
}

async fn serve(job: &Job) -> Result<()> {
    let host: std::net::IpAddr = std::env::var("KCP_STACK_HOST")?.parse()?;
    let socket = UdpSocket::bind((host, 0)).await?;
    println!("address {}", socket.local_addr()?.port());
    let mut listener = KcpListener::from_socket(config(job), socket).await?;
    let (kind, size) = (job.kind, job.size);
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            if kind == Kind::Down {
                // The first message only tells that somebody is there.
                let mut buffer = vec![0; 2048];
                stream.recv(&mut buffer).await?;
                pump(&mut stream, size).await
            } else {
                drain(&mut stream, kind == Kind::Echo).await
            }
        });
    }
}

async fn visit(job: &Job) -> Result<()> {
    let to: SocketAddr = job.address.parse().context("no address")?;
    let ready = Arc::new(AtomicUsize::new(0));
    for number in 0..job.connections {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        let mut stream = KcpStream::connect_with_socket(&config(job), socket, to).await?;
        let (kind, size, period, ready) = (job.kind, job.size, job.period, ready.clone());
        let (number, connections) = (number as u64, job.connections as u64);
        tokio::spawn(async move {
            ready.fetch_add(1, Ordering::Relaxed);
            match kind {
                Kind::Up => pump(&mut stream, size).await,
                Kind::Down => {
                    stream.send(b"here").await?;
                    drain(&mut stream, false).await
                }
                _ => {
                    let (message, mut buffer) = (vec![7; size], vec![0; 2048]);
                    let offset = Duration::from_millis(number * period / connections);
                    let mut ticks =
                        interval_at(Instant::now() + offset, Duration::from_millis(period));
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        tokio::select! {
                            _ = ticks.tick() => { stream.send(&message).await?; }
                            size = stream.recv(&mut buffer) => counts::took(size?, 1),
                        }
                    }
                }
            }
        });
    }
    while ready.load(Ordering::Relaxed) < job.connections {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("ready");
    std::future::pending().await
}
