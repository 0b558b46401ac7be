//! Two UDP sockets on the loopback interface, connected to each other. They move many datagrams per system call, so that the
//! sockets do not hide what is measured.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Result;
use socket2::SockRef;

const BATCH: usize = 64;
const DATAGRAM: usize = 1500;

/// A pair of sockets, each connected to the other.
pub fn pair() -> Result<[UdpSocket; 2]> {
    let sockets = [
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
    ];
    for (own, other) in [(0, 1), (1, 0)] {
        let own: &UdpSocket = &sockets[own];
        own.connect(sockets[other].local_addr()?)?;
        own.set_nonblocking(true)?;
        // As much as the system allows. With less, a burst may lose datagrams, which KCP retransmits.
        let _ = SockRef::from(own).set_recv_buffer_size(8 << 20);
        let _ = SockRef::from(own).set_send_buffer_size(8 << 20);
    }
    Ok(sockets)
}

/// Datagrams to be sent together.
#[derive(Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Outgoing {
    pub fn push(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push(self.bytes.len());
    }

    /// Sends everything, and returns how many datagrams the socket did not take. Those are lost, as on any network.
    pub fn send(&mut self, socket: &UdpSocket) -> usize {
        let mut start = 0;
        let mut lost = 0;
        for ends in self.ends.chunks(BATCH) {
            let mut parts: [libc::iovec; BATCH] = [EMPTY; BATCH];
            // SAFETY: all-zero is a valid `mmsghdr`: null pointers with lengths of zero.
            let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
            for (index, &end) in ends.iter().enumerate() {
                let datagram = &self.bytes[start..end];
                parts[index] = libc::iovec {
                    iov_base: datagram.as_ptr().cast_mut().cast(),
                    iov_len: datagram.len(),
                };
                headers[index].msg_hdr.msg_iov = &raw mut parts[index];
                headers[index].msg_hdr.msg_iovlen = 1;
                start = end;
            }
            // SAFETY: the first `ends.len()` headers point to parts that point into `bytes`, all alive during the call.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    ends.len() as u32,
                    0,
                )
            };
            lost += ends.len() - sent.max(0) as usize;
        }
        self.bytes.clear();
        self.ends.clear();
        lost
    }
}

const EMPTY: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

/// Room for the datagrams of one system call.
pub struct Incoming {
    bytes: Vec<[u8; DATAGRAM]>,
    lengths: Vec<usize>,
}

impl Incoming {
    pub fn new() -> Incoming {
        Incoming {
            bytes: vec![[0; DATAGRAM]; BATCH],
            lengths: Vec::new(),
        }
    }

    /// Receives what is there, at most a batch. False if there was nothing.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let mut parts: [libc::iovec; BATCH] = [EMPTY; BATCH];
        // SAFETY: all-zero is a valid `mmsghdr`.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for (index, room) in self.bytes.iter_mut().enumerate() {
            parts[index] = libc::iovec {
                iov_base: room.as_mut_ptr().cast(),
                iov_len: DATAGRAM,
            };
            headers[index].msg_hdr.msg_iov = &raw mut parts[index];
            headers[index].msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every header points to a part with room of its own, all alive during the call; no timeout.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        self.lengths.clear();
        if received < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                // Refused: the other end has stopped and closed its socket.
                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused => Ok(false),
                _ => Err(error),
            };
        }
        let filled = &headers[..received as usize];
        self.lengths
            .extend(filled.iter().map(|header| header.msg_len as usize));
        Ok(received > 0)
    }

    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.lengths
            .iter()
            .zip(&self.bytes)
            .map(|(&length, bytes)| &bytes[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_arrive_whole_and_in_order() {
        let [a, b] = pair().unwrap();
        let mut outgoing = Outgoing::default();
        for n in 0..150u8 {
            outgoing.push(&vec![n; usize::from(n) + 1]);
        }
        assert_eq!(outgoing.send(&a), 0);
        let mut incoming = Incoming::new();
        let mut got = Vec::new();
        while incoming.receive(&b).unwrap() {
            got.extend(incoming.datagrams().map(<[u8]>::to_vec));
        }
        let expected: Vec<Vec<u8>> = (0..150u8).map(|n| vec![n; usize::from(n) + 1]).collect();
        assert_eq!(got, expected);
    }

    /// `scale` failed with "Connection refused" when a message was sent after the server had stopped.
    #[test]
    fn the_other_end_stopped_first() {
        let [a, b] = pair().unwrap();
        drop(b);
        let mut outgoing = Outgoing::default();
        outgoing.push(b"too late");
        outgoing.send(&a);
        assert!(!Incoming::new().receive(&a).unwrap());
    }
}
