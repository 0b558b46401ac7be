//! A client and a server with tokio around an engine: a task for each connection at either end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::engine::{Engine, Wire};
use crate::load::{Counts, Load, Sender, socket};

/// Packets taken before the engine flushes.
const BATCH: usize = 64;
const LONG: Duration = Duration::from_secs(3600);

/// Starts the server, and all clients.
pub async fn start<E: Engine>(load: Load, counts: &Counts) -> Result<()> {
    let server = Arc::new(socket().await?);
    let to = server.local_addr()?;
    tokio::spawn(serve::<E>(server));
    for number in 0..load.connections {
        let wire = Wire {
            socket: Arc::new(socket().await?),
            to,
        };
        tokio::spawn(call::<E>(load, number, wire, counts.clone()));
    }
    Ok(())
}

async fn call<E: Engine>(load: Load, number: usize, wire: Wire, counts: Counts) {
    let socket = Arc::clone(&wire.socket);
    let mut engine = E::new(number as u32 + 1, wire, Instant::now());
    let mut sender = Sender::new(load, number);
    let (message, mut buffer, mut is_first) = (vec![7; load.bytes], [0; 2048], true);
    loop {
        let now = Instant::now();
        while sender.takes_one(now) {
            engine.send(&message);
        }
        engine.flush(now);
        let wakes = [engine.next(now), sender.next()];
        let wake = wakes.into_iter().flatten().min().unwrap_or(now + LONG);
        if timeout_at(wake.into(), socket.readable()).await.is_ok() {
            let now = Instant::now();
            for _ in 0..BATCH {
                let Ok(length) = socket.try_recv(&mut buffer) else {
                    break;
                };
                engine.input(&buffer[..length], now);
            }
        }
        while let Some(length) = engine.recv(&mut buffer) {
            assert_eq!(length, message.len());
            sender.echoed();
            counts.echoed(is_first);
            is_first = false;
        }
    }
}

async fn serve<E: Engine>(socket: Arc<UdpSocket>) {
    let mut peers = HashMap::new();
    let mut buffer = [0; 2048];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let packets = peers.entry(from).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(256);
            let conversation = ikcp_connection::conversation(&buffer[..length]);
            let wire = Wire {
                socket: Arc::clone(&socket),
                to: from,
            };
            let engine = E::new(conversation.expect("a packet"), wire, Instant::now());
            tokio::spawn(echo(engine, receiver));
            sender
        });
        _ = packets.try_send(buffer[..length].to_vec());
    }
}

async fn echo<E: Engine>(mut engine: E, mut packets: mpsc::Receiver<Vec<u8>>) {
    let mut buffer = [0; 2048];
    loop {
        let now = Instant::now();
        engine.flush(now);
        let wake = engine.next(now).unwrap_or(now + LONG);
        if let Ok(Some(packet)) = timeout_at(wake.into(), packets.recv()).await {
            let now = Instant::now();
            engine.input(&packet, now);
            for _ in 1..BATCH {
                let Ok(packet) = packets.try_recv() else {
                    break;
                };
                engine.input(&packet, now);
            }
        }
        while let Some(length) = engine.recv(&mut buffer) {
            engine.send(&buffer[..length]);
        }
    }
}
