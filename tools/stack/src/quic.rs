//! `quinn`: QUIC, encrypted as it always is. Messages of an echo have two bytes of length in front, as streams of QUIC have no messages.
//! Each client has a socket of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use quinn::{
    ClientConfig, Endpoint, RecvStream, SendStream, ServerConfig, TransportConfig, VarInt,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::counts;
use crate::work::{Job, Kind};

/// Bytes of length in front of a message.
const HEADER: usize = 2;

pub fn run(job: &Job) -> Result<()> {
    counts::answer_beside(async {
        if job.is_server {
            serve(job).await
        } else {
            visit(job).await
        }
    })
}

/// As much under way as the window of the others.
fn transport(job: &Job) -> Result<Arc<TransportConfig>> {
    let bytes = job.window * 1400;
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(bytes.into())
        .receive_window(bytes.into())
        .send_window(bytes.into())
        .max_idle_timeout(Some(VarInt::from_u32(600_000).into()));
    Ok(Arc::new(transport))
}

async fn pump(mut stream: SendStream, size: usize) -> Result<()> {
    let message = vec![7; size];
    loop {
        stream.write_all(&message).await?;
    }
}

async fn drain(mut stream: RecvStream) -> Result<()> {
    while let Some(chunk) = stream.read_chunk(1 << 16, true).await? {
        counts::took(chunk.bytes.len(), 0);
    }
    Ok(())
}

/// Reads messages of one size; `back` is where each goes.
async fn messages(mut stream: RecvStream, mut back: Option<SendStream>, size: usize) -> Result<()> {
    let mut buffer = vec![0; HEADER + size];
    loop {
        stream.read_exact(&mut buffer).await?;
        counts::took(size, 1);
        if let Some(back) = &mut back {
            back.write_all(&buffer).await?;
        }
    }
}

async fn serve(job: &Job) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["bench".to_string()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.transport_config(transport(job)?);
    let host: IpAddr = std::env::var("KCP_STACK_HOST")?.parse()?;
    let endpoint = Endpoint::server(config, SocketAddr::new(host, 0))?;
    let certificate: String = made
        .cert
        .der()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("address {}:{certificate}", endpoint.local_addr()?.port());
    let (kind, size) = (job.kind, job.size);
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let connection = incoming.await?;
            let (send, mut receive) = connection.accept_bi().await?;
            match kind {
                Kind::Up => drain(receive).await,
                Kind::Down => {
                    receive.read_chunk(16, true).await?;
                    pump(send, size).await
                }
                _ => messages(receive, Some(send), size).await,
            }
        });
    }
    Ok(())
}

async fn visit(job: &Job) -> Result<()> {
    let (address, certificate) = job
        .address
        .rsplit_once(':')
        .context("HOST:PORT:CERTIFICATE")?;
    let to: SocketAddr = address.parse()?;
    let der: Vec<u8> = (0..certificate.len() / 2)
        .map(|at| u8::from_str_radix(&certificate[2 * at..2 * at + 2], 16))
        .collect::<Result<_, _>>()?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(der))?;
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    config.transport_config(transport(job)?);
    let ready = Arc::new(AtomicUsize::new(0));
    let at_once = Arc::new(Semaphore::new(50));
    for number in 0..job.connections {
        let mut endpoint = Endpoint::client(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))?;
        endpoint.set_default_client_config(config.clone());
        let (kind, size, period) = (job.kind, job.size, job.period);
        let (ready, at_once) = (ready.clone(), at_once.clone());
        let (number, connections) = (number as u64, job.connections as u64);
        tokio::spawn(async move {
            let place = at_once.acquire().await?;
            let connection = endpoint.connect(to, "bench")?.await?;
            let (mut send, receive) = connection.open_bi().await?;
            drop(place);
            ready.fetch_add(1, Ordering::Relaxed);
            match kind {
                Kind::Up => pump(send, size).await?,
                Kind::Down => {
                    send.write_all(b"here").await?;
                    drain(receive).await?;
                }
                _ => {
                    tokio::spawn(messages(receive, None, size));
                    let message = vec![7; HEADER + size];
                    let offset = Duration::from_millis(number * period / connections);
                    let mut ticks =
                        interval_at(Instant::now() + offset, Duration::from_millis(period));
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        ticks.tick().await;
                        send.write_all(&message).await?;
                    }
                }
            }
            drop((connection, endpoint));
            anyhow::Ok(())
        });
    }
    while ready.load(Ordering::Relaxed) < job.connections {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("ready");
    std::future::pending().await
}
