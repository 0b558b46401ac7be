//! Sends each message back to where it came from. It looks at all connections whenever a packet arrives, which is good for some
//! hundred of them; a server with thousands gives each a task, or keeps their timeouts in a heap.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::time::{Duration, Instant};

use ikcp_connection::{Config, Connection, conversation};
use tokio::{net::UdpSocket, time::timeout_at};

const EXPIRES: Duration = Duration::from_secs(90);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3100".into());
    let socket = UdpSocket::bind(address).await?;
    let (mut peers, mut buffer) = (HashMap::new(), [0; 1500]);
    loop {
        let timeouts = peers
            .values()
            .filter_map(|(peer, _): &(Connection, _)| peer.next_timeout());
        let wake = timeouts.min().unwrap_or(Instant::now() + EXPIRES);
        let arrived = timeout_at(wake.into(), socket.recv_from(&mut buffer)).await;
        let now = Instant::now();
        if let Ok(Ok((length, from))) = arrived
            && let Some(number) = conversation(&buffer[..length])
        {
            let (peer, heard) = match peers.entry((from, number)) {
                Occupied(known) => known.into_mut(),
                Vacant(new) => new.insert((Connection::new(number, &Config::fast(), now)?, now)),
            };
            *heard = now;
            peer.input(&buffer[..length], now).ok(); // a bad packet does no harm
        }
        for ((to, _), (peer, _)) in &mut peers {
            while peer.has_room()
                && let Some(message) = peer.recv()
            {
                peer.send(&message)?;
            }
            peer.flush(now);
            while let Some(packet) = peer.poll_transmit() {
                socket.send_to(packet, to).await.ok(); // a packet that does not go out is lost
            }
        }
        peers.retain(|_, (peer, heard)| !peer.is_dead() && now - *heard < EXPIRES);
    }
}
