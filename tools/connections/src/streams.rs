//! The same with `tokio_kcp`, whose streams have sockets and tasks of their own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::timeout_at;
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

use crate::engine::WINDOW;
use crate::load::{Counts, Load, Sender, socket};

fn config() -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig::fastest(),
        wnd_size: (WINDOW, WINDOW),
        flush_write: true,
        flush_acks_input: true,
        ..KcpConfig::default()
    }
}

pub async fn start(load: Load, counts: &Counts) -> Result<()> {
    let server = socket().await?;
    let to = server.local_addr()?;
    let listener = KcpListener::from_socket(config(), server).await?;
    tokio::spawn(serve(listener));
    for number in 0..load.connections {
        tokio::spawn(call(load, number, to, counts.clone()));
    }
    Ok(())
}

async fn call(load: Load, number: usize, to: SocketAddr, counts: Counts) -> Result<()> {
    let socket = socket().await?;
    let mut stream = KcpStream::connect_with_socket(&config(), socket, to).await?;
    let mut sender = Sender::new(load, number);
    let (message, mut buffer, mut is_first) = (vec![7; load.bytes], [0; 2048], true);
    loop {
        let now = Instant::now();
        while sender.takes_one(now) {
            stream.send(&message).await?;
        }
        let wake = sender.next().unwrap_or(now + Duration::from_secs(3600));
        if let Ok(length) = timeout_at(wake.into(), stream.recv(&mut buffer)).await {
            assert_eq!(length?, message.len());
            sender.echoed();
            counts.echoed(is_first);
            is_first = false;
        }
    }
}

async fn serve(mut listener: KcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: KcpStream) -> Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let length = stream.recv(&mut buffer).await?;
        stream.send(&buffer[..length]).await?;
    }
}
