//! One end of a connection: the core's object with a clock and a queue of packets.

use std::fmt;
use std::mem;
use std::time::{Duration, Instant};

use ikcp_core::consts::{IKCP_OVERHEAD, IKCP_WND_RCV, profile};
use ikcp_core::{MOST_FRAGMENTS, TOO_LONG};

use crate::config::{Backoff, Config};
use crate::error::{BufferTooSmall, ConfigError, InputError, SendError};
use crate::handle::{Handle, Output};
use crate::queue::Queue;
use crate::stats::{Counters, Stats};

/// Bytes of a segment's header.
const HEADER: usize = IKCP_OVERHEAD as usize;
/// How often an idle connection is updated while the core still frees the memory of a burst, ms: some segments at each flush.
const TIDYING: u64 = 50;
/// The core has freed other unused memory by this time after the last activity, ms.
const TIDY: u64 = 1000;

/// One end of a connection.
///
/// The program owns the socket and the clock. It passes in messages ([`send`](Connection::send)) and arrived packets
/// ([`input`](Connection::input)), and takes out messages ([`recv`](Connection::recv)) and packets to send
/// ([`poll_transmit`](Connection::poll_transmit)). Only [`update`](Connection::update), [`flush`](Connection::flush) and
/// [`path_changed`](Connection::path_changed) make packets: take all of them after each of these calls.
/// [`next_timeout`](Connection::next_timeout) says when to call again.
///
/// A connection can move between threads (`Send`), but only one thread at a time can use it (it is not `Sync`). Dropping it frees
/// its memory. Nothing is sent, so the peer does not notice.
pub struct Connection {
    handle: Handle,
    packets: Queue,
    config: Config,
    /// Where the core's clock begins.
    origin: Instant,
    /// The clock in ms; the core gets its low 32 bits.
    clock: u64,
    /// Time of the last activity, ms.
    active: u64,
}

impl Connection {
    /// Makes one end of a connection. Both ends must agree on the number `conversation`, which every packet carries. `now` starts
    /// the connection's clock; all later times must come from the same clock.
    ///
    /// # Errors
    /// A setting is out of range, or there is no memory.
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

    /// Changes the settings. Queued messages keep the size of their segments, and [`Config::stream`] does not affect data that
    /// was sent before.
    ///
    /// # Errors
    /// A setting is out of range, or there is no memory. Nothing has changed, except as [`ConfigError::NoController`] says.
    pub fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        let handle = &mut self.handle;
        if !extend(handle, &self.config, config) || handle.setmtu(config.mtu.cast_signed()) < 0 {
            // What was on before has its memory, and what was off needs none.
            _ = extend(handle, config, &self.config);
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
        handle.set_stream(config.stream.into());
        let before = mem::replace(&mut self.config, config.clone()).controller;
        if before != config.controller && !handle.set_controller(config.controller) {
            self.config.controller = None;
            return Err(ConfigError::NoController);
        }
        Ok(())
    }

    /// The present settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The number of the conversation.
    #[must_use]
    pub fn conversation(&self) -> u32 {
        self.handle.conv()
    }

    /// Queues a message, which may be empty, and returns the number of bytes queued. The next [`flush`](Connection::flush) or
    /// [`update`](Connection::update) sends it as far as the windows allow.
    ///
    /// The number is the length of the message. In stream mode it may be less, but not 0, if the data is longer than
    /// [`max_message`](Connection::max_message): pass the rest to another call.
    ///
    /// The windows do not limit the queue: see [`has_room`](Connection::has_room).
    ///
    /// # Errors
    /// The message is too long, or there is no memory for it. Nothing was queued.
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
            Err(_) if taken == TOO_LONG => Err(SendError::PeerWindow),
            Err(_) => Err(SendError::OutOfMemory),
        }
    }

    /// The longest message, in bytes: 127 segments of [`Config::mtu`] - 24 bytes each, or 255 with [`Config::large_messages`].
    #[must_use]
    pub fn max_message(&self) -> usize {
        let segments = if self.config.large_messages {
            MOST_FRAGMENTS
        } else {
            IKCP_WND_RCV - 1
        };
        segments as usize * self.handle.mss() as usize
    }

    /// Number of segments that were sent by the program but not yet acknowledged by the peer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.handle.nsnd_que() as usize + self.handle.nsnd_buf() as usize
    }

    /// True while fewer segments than two send windows [wait](Connection::waiting). A program that can produce faster than the
    /// link should stop sending while this is false: the queue grows as long as there is memory.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting() < 2 * usize::from(self.config.send_window)
    }

    /// The next message, which leaves the queue; `None` if none is complete. If the peer uses stream mode, it is the payload of
    /// the next segment.
    #[must_use]
    pub fn recv(&mut self) -> Option<Vec<u8>> {
        let mut message = vec![0; self.peek_size()?];
        let taken = self.recv_into(&mut message).ok()??;
        message.truncate(taken);
        Some(message)
    }

    /// Moves the next message into `buffer` and returns its length; `None` if none is complete.
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

    /// Copies the next message into `buffer` as [`recv_into`](Connection::recv_into) does, but leaves it in the queue.
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

    /// Length of the next message in bytes, which may be 0; `None` if none is complete.
    #[must_use]
    pub fn peek_size(&self) -> Option<usize> {
        usize::try_from(self.handle.peeksize()).ok()
    }

    /// Processes a packet that has arrived at the time `now`. Packets may be late, duplicated, in any order, and from anybody.
    /// Their contents are trusted as far as they are possible, so a program on an open network must authenticate them first.
    ///
    /// # Errors
    /// The packet is bad. Everything before the fault has taken effect, and the connection continues.
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

    /// Sends everything that is due once per [`Config::interval`], and retransmits segments at once when their timeout has
    /// passed. Call it at [`next_timeout`](Connection::next_timeout), or more often. Messages and acknowledgements wait for the
    /// end of the interval, which puts more of them into a packet.
    ///
    /// Take the packets with [`poll_transmit`](Connection::poll_transmit).
    pub fn update(&mut self, now: Instant) {
        self.queue(|connection, output| connection.update_with(now, output));
    }

    /// Sends everything at once, without waiting for the end of the interval: messages as far as the windows allow,
    /// acknowledgements, and retransmissions after a timeout. It replaces [`update`](Connection::update): for the lowest latency,
    /// call it after each [`send`](Connection::send), after the packets that have arrived, and at
    /// [`next_timeout`](Connection::next_timeout). It costs almost nothing when there is nothing to send.
    ///
    /// Take the packets with [`poll_transmit`](Connection::poll_transmit).
    pub fn flush(&mut self, now: Instant) {
        self.queue(|connection, output| connection.flush_with(now, output));
    }

    /// The next packet to send, of at most [`Config::mtu`] bytes; `None` if there is none. What was queued before the mtu became smaller
    /// leaves in packets of the old size. A packet that cannot be sent may be dropped: it counts as lost in the network.
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

    /// Does the same as [`update`](Connection::update), but passes each packet to `output` at once and without a copy. Packets
    /// that wait for [`poll_transmit`](Connection::poll_transmit) come first.
    ///
    /// # Panics
    /// If `output` panics. The connection stays valid: the packet counts as sent, and further packets of this call are dropped,
    /// as if the network had lost them.
    pub fn update_with(&mut self, now: Instant, mut output: impl FnMut(&[u8])) {
        self.drain(&mut output);
        if !self.run_update(now, &mut output) {
            let clock = low(self.clock);
            // A retransmission that is due before the end of the interval would make a loop around `next_timeout` spin.
            if self.handle.check(clock) == clock {
                self.handle.flush(&mut output);
            }
        }
    }

    /// Does the same as [`flush`](Connection::flush), but passes each packet to `output` as
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
    /// If `output` panics, as in [`update_with`](Connection::update_with).
    pub fn flush_with(&mut self, now: Instant, mut output: impl FnMut(&[u8])) {
        self.drain(&mut output);
        if !self.run_update(now, &mut output) {
            self.handle.flush(&mut output);
        }
    }

    /// When to call [`update`](Connection::update) or [`flush`](Connection::flush) next, if nothing is sent or arrives before;
    /// `None` if no call is needed until then. The time may be in the past, but never right after one of these calls.
    ///
    /// While there is something to do, the time is at most an interval ahead. After that a connection asks for a call every 50 ms
    /// to free memory, for a second or, after a large burst, longer; then it asks for none.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let wait = if self.is_idle() {
            let rested = self.clock.abs_diff(self.active) >= TIDY;
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

    /// The network is back after an outage, or another network is used: sends everything in flight at once as if for the first time.
    /// Timeouts and the measurement of the round-trip time start over, and a connection that [is dead](Connection::is_dead) no longer is.
    ///
    /// Take the packets with [`poll_transmit`](Connection::poll_transmit).
    pub fn path_changed(&mut self, now: Instant) {
        self.tell_time(now);
        self.active = self.clock;
        self.queue(|connection, output| connection.handle.path_changed(output));
    }

    /// True once a segment was sent [`Config::dead_link`] times without an acknowledgement, or after [`Config::dead_after`]: the peer or
    /// the link is gone. The connection keeps trying as long as it exists.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.handle.state() != 0
    }

    /// The state of the connection and its link.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.handle)
    }

    /// Counters of what happened since the first call, which returns zeros; `None` if that call finds no memory for them. Counting costs
    /// 1 to 7 % more instructions.
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use ikcp_connection::{Config, Connection};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut connection = Connection::new(1, &Config::fast(), Instant::now())?;
    /// connection.counters();
    /// connection.send(b"hello")?;
    /// connection.flush(Instant::now());
    /// let counters = connection.counters().ok_or("no memory")?;
    /// assert_eq!((counters.segments_sent, counters.bytes_sent), (1, 24 + 5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn counters(&mut self) -> Option<Counters> {
        self.handle.counters().map(|counted| Counters::of(&counted))
    }

    /// Runs a call that sends packets, which go to the end of the queue.
    fn queue(&mut self, call: impl FnOnce(&mut Connection, Output<'_>)) {
        let mut packets = mem::take(&mut self.packets);
        call(self, &mut |packet| packets.push(packet));
        self.packets = packets;
    }

    fn drain(&mut self, output: Output<'_>) {
        while let Some(packet) = self.packets.pop() {
            output(packet);
        }
    }

    /// Tells the core the time. True if the core flushed because the interval has ended.
    fn run_update(&mut self, now: Instant, output: Output<'_>) -> bool {
        let clock = self.tell_time(now);
        let before = self.handle.ts_flush();
        self.handle.update(clock, output);
        if !self.is_idle() {
            self.active = self.clock;
        }
        before != self.handle.ts_flush()
    }

    /// Sets the core's clock and returns it.
    fn tell_time(&mut self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.origin).as_millis();
        self.clock = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.handle.set_clock(low(self.clock));
        low(self.clock)
    }

    /// True if there is nothing to send, now or later, unless something is sent or arrives.
    fn is_idle(&self) -> bool {
        let handle = &self.handle;
        self.waiting() == 0
            && handle.ackcount() == 0
            && handle.probe() == 0
            && handle.rmt_wnd() != 0
    }
}

/// Turns on and off what the original lacks, where that changes. False without memory.
fn extend(handle: &mut Handle, before: &Config, config: &Config) -> bool {
    let milliseconds = |time: Option<Duration>| time.map_or(0, whole_milliseconds);
    let is_extended = (before.stub == config.stub || handle.set_stub(config.stub.as_deref()))
        && (before.redundancy == config.redundancy || handle.set_redundancy(config.redundancy))
        && (before.loss_by_time == config.loss_by_time
            || handle.set_loss_by_time(config.loss_by_time))
        && (before.large_messages == config.large_messages
            || handle.set_large_messages(config.large_messages))
        && (before.backoff_limit == config.backoff_limit
            || handle.set_backoff_limit(milliseconds(config.backoff_limit)))
        && (before.dead_after == config.dead_after
            || handle.set_dead_after(milliseconds(config.dead_after)));
    if config.dead_after.is_none() {
        handle.set_dead_link(config.dead_link);
    }
    is_extended
}

/// Whole milliseconds, at most as many as the core can count.
fn whole_milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// The core's clock has 32 bits and wraps after 49 days.
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

/// The conversation number of a packet, to find its connection; `None` if the packet is shorter than a header.
///
/// ```
/// assert_eq!(ikcp_connection::conversation(b"no packet"), None);
/// ```
#[must_use]
pub fn conversation(packet: &[u8]) -> Option<u32> {
    let number = packet.first_chunk()?;
    (packet.len() >= HEADER).then(|| u32::from_le_bytes(*number))
}
