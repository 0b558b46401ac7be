//! Sends the lines of its input to the echo server, and prints what comes back. The server may start later, or again: what nobody
//! takes is sent once more, for ten seconds.

use std::io::ErrorKind::TimedOut;
use std::time::{Duration, Instant};

use ikcp_connection::{Config, Connection};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::{net::UdpSocket, select, time::sleep_until};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let server = std::env::args().nth(1).unwrap_or("127.0.0.1:3100".into());
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?;
    let config = Config {
        dead_after: Some(Duration::from_secs(10)),
        ..Config::fast()
    };
    let mut connection = Connection::new(std::process::id(), &config, Instant::now())?;
    let mut lines = BufReader::new(stdin()).lines();
    let (mut open, mut expected, mut buffer) = (true, 0, [0; 1500]);
    while open || expected > 0 {
        connection.flush(Instant::now());
        while let Some(packet) = connection.poll_transmit() {
            socket.send(packet).await.ok(); // a packet that does not go out is lost
        }
        let idle = Instant::now() + Duration::from_secs(3600);
        let wake = connection.next_timeout().unwrap_or(idle);
        select! {
            line = lines.next_line(), if open && connection.has_room() => match line? {
                Some(line) => expected += connection.send(line.as_bytes()).map(|_| 1)?,
                None => open = false,
            },
            received = socket.recv(&mut buffer) => {
                // An error tells that nobody took an earlier packet, which is then as good as lost.
                if let Ok(length) = received {
                    connection.input(&buffer[..length], Instant::now()).ok(); // a bad packet does no harm
                }
            }
            () = sleep_until(wake.into()) => {}
        }
        while let Some(message) = connection.recv() {
            println!("{}", String::from_utf8_lossy(&message));
            expected -= 1;
        }
        if connection.is_dead() {
            return Err(TimedOut.into());
        }
    }
    Ok(())
}
