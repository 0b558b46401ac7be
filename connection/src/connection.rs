//! One end of a connection: the core's object with a clock and a queue of packets.

use std::fmt;
use std::mem;
use std::time::{Duration, Instant};

use ikcp_core::consts::{IKCP_WND_RCV, profile};

use crate::config::{Backoff, Config};
use crate::error::{BufferTooSmall, ConfigError, InputError, SendError};
use crate::handle::{Handle, Output};
use crate::queue::Queue;
use crate::stats::Stats;

/// Bytes of a segment's header.
const HEADER: usize = 24;
/// An idle connection is updated this often until the core has given back the memory of the burst before, ms: free segments
/// some at each flush.
const TIDYING: u64 = 50;
/// The rest of it is given back by then after the last activity, ms.
const TIDY: u64 = 1000;

/// One end of a connection.
///
/// The program owns the socket and the clock. It hands over messages ([`send`](Connection::send)) and packets that arrived
/// ([`input`](Connection::input)), and takes messages ([`recv`](Connection::recv)) and packets to send
/// ([`poll_transmit`](Connection::poll_transmit)). Only [`update`](Connection::update) and [`flush`](Connection::flush)
/// make packets: after either of them take all there are. [`next_timeout`](Connection::next_timeout) says when to call again.
///
/// It can move between threads (`Send`), and one thread at a time can use it (it is not `Sync`). Dropping it frees what it
/// holds; nothing is sent, and the peer does not learn of it.
pub struct Connection {
    handle: Handle,
    packets: Queue,
    config: Config,
    /// What the core's clock counts from.
    origin: Instant,
    /// The core's clock, which has the low 32 bits of it, ms.
    clock: u64,
    /// When something happened last, ms.
    active: u64,
}

impl Connection {
    /// Makes one end of the connection `conversation`, a number that both ends have to agree on beforehand, and that each
    /// packet carries. `now` begins its clock; all other times have to come from the same clock.
    ///
    /// # Errors
    /// A setting is out of its range, or there is no memory.
    pub fn new(
        conversation: u32,
        config: &Config,
        now: Instant,
    ) -> Result<Connection, ConfigError> {
        let handle = Handle::new(conversation).ok_or(ConfigError::OutOfMemory)?;
        let mut connection = Connection {
            handle,
            packets: Queue::default(),
            config: Config::default(),
            origin: now,
            clock: 0,
            active: 0,
        };
        connection.configure(config)?;
        connection.update(now);
        Ok(connection)
    }

    /// Changes the settings. Messages that are queued keep the size of their segments, and [`Config::stream`] changes nothing
    /// that was sent.
    ///
    /// # Errors
    /// A setting is out of its range, or there is no memory for a packet of that size. Nothing has changed then.
    pub fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        let handle = &mut self.handle;
        let stub = config.stub.as_deref();
        if !handle.set_stub(stub) || handle.setmtu(config.mtu.cast_signed()) < 0 {
            // It was there before.
            _ = handle.set_stub(self.config.stub.as_deref());
            return Err(ConfigError::OutOfMemory);
        }
        handle.wndsize(config.send_window.into(), config.receive_window.into());
        let nodelay = match config.backoff {
            Backoff::Double => 0,
            Backoff::Half => 1,
            Backoff::Steady => 2,
        };
        let interval = whole_milliseconds(config.interval);
        let uncontrolled = i32::from(!config.congestion_window);
        handle.nodelay(nodelay, interval, config.fast_resend.into(), uncontrolled);
        if let Some(time) = config.min_rto {
            handle.set_minrto(whole_milliseconds(time));
        }
        handle.set_fastlimit(config.fast_limit.into());
        handle.set_dead_link(config.dead_link);
        handle.set_stream(config.stream.into());
        self.config = config.clone();
        Ok(())
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The number of the conversation.
    #[must_use]
    pub fn conversation(&self) -> u32 {
        self.handle.conv()
    }

    /// Queues a message, which may be empty, and gives the number of bytes taken. The next [`flush`](Connection::flush) or
    /// [`update`](Connection::update) sends it as far as the windows allow.
    ///
    /// That number is the length of the message, but for stream mode: there it may be less, never 0, when there is more than
    /// [`max_message`](Connection::max_message), and the rest goes to another call.
    ///
    /// The windows do not limit what is queued: see [`has_room`](Connection::has_room).
    ///
    /// # Errors
    /// The message is too long, or there is no memory for it. Nothing of it is queued.
    pub fn send(&mut self, message: &[u8]) -> Result<usize, SendError> {
        let max = self.max_message();
        let message = if self.config.stream && message.len() > max {
            &message[..max]
        } else {
            message
        };
        self.send_with(message, |handle| handle.send(message))
    }

    /// Queues a message as [`send`](Connection::send) does, which is worth nothing when it comes late. If it has not begun to leave
    /// within `lifetime`, counted in milliseconds from the time that the connection was told last, it is dropped. What has begun to leave
    /// is completed, or becomes the [`Config::stub`].
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use ikcp_connection::{Config, Connection};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config { send_window: 1, stub: Some(b"-".to_vec()), ..Config::fast() };
    /// let start = Instant::now();
    /// let mut connection = Connection::new(1, &config, start)?;
    /// for position in [b"x 1 y 1", b"x 2 y 2"] {
    ///     connection.send_until(position, Duration::from_millis(100))?;
    /// }
    /// connection.flush(start);
    /// connection.flush(start + Duration::from_millis(101));
    /// // The second found no room in the window, and the first is sent once more, as a stub.
    /// assert_eq!(connection.waiting(), 1);
    /// let sizes = [(); 2].map(|()| connection.poll_transmit().map_or(0, <[u8]>::len));
    /// assert_eq!(sizes, [24 + 7, 24 + 1]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The message is too long, there is no memory for it, or the connection is in stream mode, where there are no messages. Nothing of it is
    /// queued.
    pub fn send_until(&mut self, message: &[u8], lifetime: Duration) -> Result<usize, SendError> {
        if self.config.stream {
            return Err(SendError::Stream);
        }
        let milliseconds = whole_milliseconds(lifetime);
        self.send_with(message, |handle| handle.send_until(message, milliseconds))
    }

    fn send_with(
        &mut self,
        message: &[u8],
        send: impl FnOnce(&mut Handle) -> i32,
    ) -> Result<usize, SendError> {
        let max = self.max_message();
        if message.len() > max {
            return Err(SendError::TooLong { max });
        }
        let taken = send(&mut self.handle);
        self.active = self.clock;
        match usize::try_from(taken) {
            Ok(taken) if profile::SEND_RETURNS_BYTES => Ok(taken),
            Ok(_) => Ok(message.len()),
            Err(_) => Err(SendError::OutOfMemory),
        }
    }

    /// The longest message, in bytes: 127 segments of [`Config::mtu`] - 24 bytes each.
    #[must_use]
    pub fn max_message(&self) -> usize {
        (IKCP_WND_RCV as usize - 1) * self.handle.mss() as usize
    }

    /// Segments that were sent by the program and not acknowledged by the peer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.handle.nsnd_que() as usize + self.handle.nsnd_buf() as usize
    }

    /// True while less than two send windows of segments [wait](Connection::waiting). A program that can produce faster than the
    /// link stops sending while this is false: a queue takes as much as memory holds.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting() < 2 * usize::from(self.config.send_window)
    }

    /// Takes the next message; `None` when none has arrived completely. In stream mode of the peer it is the payload of the next
    /// segment.
    #[must_use]
    pub fn recv(&mut self) -> Option<Vec<u8>> {
        let mut message = vec![0; self.peek_size()?];
        let taken = self.recv_into(&mut message).ok()??;
        message.truncate(taken);
        Some(message)
    }

    /// Takes the next message into `buffer`, and gives its length; `None` when none has arrived completely.
    ///
    /// # Errors
    /// The buffer is too small. The message stays.
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BufferTooSmall> {
        let Some(needed) = self.peek_size() else {
            return Ok(None);
        };
        if buffer.len() < needed {
            return Err(BufferTooSmall { needed });
        }
        self.active = self.clock;
        Ok(usize::try_from(self.handle.recv(buffer)).ok())
    }

    /// Copies the next message into `buffer` as [`recv_into`](Connection::recv_into) does, and leaves it where it is.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn peek(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BufferTooSmall> {
        match self.peek_size() {
            None => Ok(None),
            Some(0) => Ok(Some(0)),
            Some(needed) if buffer.len() < needed => Err(BufferTooSmall { needed }),
            Some(_) => Ok(usize::try_from(self.handle.peek(buffer)).ok()),
        }
    }

    /// Length of the next message in bytes, which may be 0; `None` when none has arrived completely.
    #[must_use]
    pub fn peek_size(&self) -> Option<usize> {
        usize::try_from(self.handle.peeksize()).ok()
    }

    /// Takes a packet that has arrived, at the time `now`. Packets may come late, twice, in any order and from anybody; what is in
    /// them is believed as far as it is possible, so a program on an open network authenticates them before.
    ///
    /// # Errors
    /// The packet is bad; what stands before the fault has had its effect, and the connection goes on.
    pub fn input(&mut self, packet: &[u8], now: Instant) -> Result<(), InputError> {
        self.tell_time(now);
        self.active = self.clock;
        match self.handle.input(packet) {
            0 => Ok(()),
            -1 if packet.len() < HEADER => Err(InputError::TooShort),
            -1 => Err(InputError::OtherConversation),
            -2 => Err(InputError::Truncated),
            _ => Err(InputError::UnknownCommand),
        }
    }

    /// Sends what is due once each [`Config::interval`], and segments whose timeout has passed at once: call it at
    /// [`next_timeout`](Connection::next_timeout), or more often. Messages and acknowledgements wait for the interval to end, which
    /// puts more of them into a packet.
    ///
    /// The packets wait for [`poll_transmit`](Connection::poll_transmit).
    pub fn update(&mut self, now: Instant) {
        let mut packets = mem::take(&mut self.packets);
        self.update_with(now, |packet| packets.push(packet));
        self.packets = packets;
    }

    /// Sends what there is without waiting for the interval to end: messages as far as the windows allow, acknowledgements,
    /// segments whose timeout has passed. It takes the place of [`update`](Connection::update): a program that calls it after
    /// each [`send`](Connection::send), after the packets that have arrived, and at [`next_timeout`](Connection::next_timeout)
    /// has the lowest latency. With nothing to send it costs next to nothing.
    ///
    /// The packets wait for [`poll_transmit`](Connection::poll_transmit).
    pub fn flush(&mut self, now: Instant) {
        let mut packets = mem::take(&mut self.packets);
        self.flush_with(now, |packet| packets.push(packet));
        self.packets = packets;
    }

    /// The next packet to send, at most [`Config::mtu`] bytes; `None` when there is none. A packet that cannot be sent may be dropped as if
    /// the network had lost it.
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use ikcp_connection::{Config, Connection};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// # socket.connect(socket.local_addr()?)?;
    /// # let mut connection = Connection::new(1, &Config::fast(), Instant::now())?;
    /// connection.send(b"hello")?;
    /// connection.flush(Instant::now());
    /// while let Some(packet) = connection.poll_transmit() {
    ///     socket.send(packet)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        self.packets.pop()
    }

    /// Does what [`update`](Connection::update) does, and hands each packet to `output` at once, without a copy, those that wait for
    /// [`poll_transmit`](Connection::poll_transmit) first.
    ///
    /// # Panics
    /// When `output` does. The connection stays as it should be: the packet counts as sent, and further packets of this call are dropped,
    /// as if the network had lost them.
    pub fn update_with(&mut self, now: Instant, mut output: impl FnMut(&[u8])) {
        self.drain(&mut output);
        if !self.run_update(now, &mut output) {
            let clock = low(self.clock);
            // What is due before the interval ends would make a loop around `next_timeout` spin.
            if self.handle.check(clock) == clock {
                self.handle.flush(&mut output);
            }
        }
    }

    /// Does what [`flush`](Connection::flush) does, and hands each packet to `output` as
    /// [`update_with`](Connection::update_with) does.
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use ikcp_connection::{Config, Connection};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut connection = Connection::new(1, &Config::fast(), Instant::now())?;
    /// connection.send(b"hello")?;
    /// let mut sent = 0;
    /// connection.flush_with(Instant::now(), |packet| sent += packet.len());
    /// assert_eq!(sent, 24 + 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When `output` does, as in [`update_with`](Connection::update_with).
    pub fn flush_with(&mut self, now: Instant, mut output: impl FnMut(&[u8])) {
        self.drain(&mut output);
        if !self.run_update(now, &mut output) {
            self.handle.flush(&mut output);
        }
    }

    /// When to call [`update`](Connection::update) or [`flush`](Connection::flush) next, if nothing is sent or arrives before;
    /// `None`: not before something is. It may have passed already, and right after one of the two it never has.
    ///
    /// While something is to be done it is at most an interval ahead. A connection with nothing to do asks for a call each
    /// 50 ms to give memory back, for a second, after a large burst for longer, and then for none.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let wait = if self.is_idle() {
            let rested = self.clock.saturating_sub(self.active) >= TIDY;
            if rested && !self.handle.keeps_segments() {
                return None;
            }
            TIDYING
        } else {
            let clock = low(self.clock);
            self.handle.check(clock).wrapping_sub(clock).into()
        };
        Some(self.origin + Duration::from_millis(self.clock + wait))
    }

    /// True once a segment was sent [`Config::dead_link`] times without an acknowledgement: the peer is gone, or the link. Nothing
    /// else comes of it; a connection that is kept goes on trying.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.handle.state() != 0
    }

    /// What it knows of itself and its link.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.handle)
    }

    fn drain(&mut self, output: Output<'_>) {
        while let Some(packet) = self.packets.pop() {
            output(packet);
        }
    }

    /// Tells the core the time, and says whether it flushed, which it does when the interval is over.
    fn run_update(&mut self, now: Instant, output: Output<'_>) -> bool {
        let clock = self.tell_time(now);
        let before = self.handle.ts_flush();
        self.handle.update(clock, output);
        if !self.is_idle() {
            self.active = self.clock;
        }
        before != self.handle.ts_flush()
    }

    /// Sets the core's clock, and gives it.
    fn tell_time(&mut self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.origin).as_millis();
        self.clock = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.handle.set_clock(low(self.clock));
        low(self.clock)
    }

    /// True when there is nothing to send, now or later, unless something is sent or arrives.
    fn is_idle(&self) -> bool {
        let handle = &self.handle;
        self.waiting() == 0
            && handle.ackcount() == 0
            && handle.probe() == 0
            && handle.rmt_wnd() != 0
    }
}

/// Whole milliseconds, as many as the core can count.
fn whole_milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// The core's clock has 32 bits and goes round after 49 days.
#[allow(clippy::cast_possible_truncation)]
const fn low(clock: u64) -> u32 {
    clock as u32
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("conversation", &self.conversation())
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The number of the conversation that a packet belongs to, to find its connection by; `None` when the packet is shorter than a header.
///
/// ```
/// assert_eq!(ikcp_connection::conversation(b"no packet"), None);
/// ```
#[must_use]
pub fn conversation(packet: &[u8]) -> Option<u32> {
    let number = packet.first_chunk()?;
    (packet.len() >= HEADER).then(|| u32::from_le_bytes(*number))
}
