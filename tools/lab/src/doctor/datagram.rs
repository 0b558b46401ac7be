//! The UDP datagram inside a frame: Ethernet with VLAN tags, MPLS or PPPoE, Linux cooked, loopback, PPP, bare IP, Wi-Fi without
//! encryption, the "any" of macOS; IPv4 and IPv6. Also inside tunnels without encryption, in which clouds and switches mirror traffic.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket};

/// What a provider's Ethernet carries for a session (RFC 2516).
const PPPOE_SESSION: EtherType = EtherType(0x8864);
const PPPOE_HEADER: usize = 6;
const MPLS: EtherType = EtherType(0x8847);
/// Ethernet in a tunnel, bare or behind what a switch tells of it (ERSPAN).
const BRIDGED: u16 = 0x6558;
const SPANNED: u16 = 0x88be;
const SPANNED_3: u16 = 0x22eb;
/// Tunnels in tunnels that are opened.
const DEEPEST: usize = 4;

/// A UDP datagram, of which the capture may have kept only the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// What was captured of it.
    pub payload: &'a [u8],
    /// How long it was.
    pub length: usize,
    /// The network cut it into pieces, of which this is the first.
    pub fragmented: bool,
}

/// What comes before IP in a frame.
enum Start {
    Ethernet,
    /// So many bytes, after which the version of IP says what follows.
    Ip(usize),
    Ppp,
    /// Wi-Fi, behind what the radio tells where that is.
    WiFi {
        radio: bool,
    },
    /// A header of Apple's with its own length and the link type of what follows.
    Apple,
    /// A type that says what follows, and so many bytes in all.
    Cooked {
        kind: usize,
        header: usize,
    },
}

fn start(link: i32) -> Option<Start> {
    Some(match link {
        1 => Start::Ethernet,
        // The loopback of BSD: a family in four bytes of either order, which the version of IP says better.
        0 | 108 => Start::Ip(4),
        // Bare IP, by the numbers that systems gave it
        12 | 14 | 101 | 228 | 229 => Start::Ip(0),
        9 | 50 => Start::Ppp,
        105 => Start::WiFi { radio: false },
        127 => Start::WiFi { radio: true },
        // Also by the number for private use that older systems took.
        149 | 258 => Start::Apple,
        // Linux cooked, both versions
        113 => Start::Cooked {
            kind: 14,
            header: 16,
        },
        276 => Start::Cooked {
            kind: 0,
            header: 20,
        },
        _ => return None,
    })
}

/// Whether frames of this link type can be read.
pub fn is_known(link: i32) -> bool {
    start(link).is_some()
}

fn network(link: i32, bytes: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    match start(link)? {
        Start::Ethernet => ethernet(bytes),
        Start::Ppp => ppp(bytes),
        Start::WiFi { radio } => {
            let length = match radio {
                true => u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?),
                false => 0,
            };
            wifi(bytes.get(usize::from(length)..)?)
        }
        Start::Apple => {
            let word = |at: usize| {
                let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
                Some(u32::from_le_bytes(bytes))
            };
            let (header, inner) = (word(0)? as usize, i32::try_from(word(8)?).ok()?);
            match start(inner)? {
                Start::Apple => None,
                _ => network(inner, bytes.get(header..)?),
            }
        }
        Start::Ip(header) => LaxSlicedPacket::from_ip(bytes.get(header..)?).ok(),
        Start::Cooked { kind, header } => {
            let kind = u16::from_be_bytes(bytes.get(kind..kind + 2)?.try_into().ok()?);
            Some(LaxSlicedPacket::from_ether_type(
                EtherType(kind),
                bytes.get(header..)?,
            ))
        }
    }
}

fn ethernet(bytes: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let packet = LaxSlicedPacket::from_ethernet(bytes).ok()?;
    match packet.ether_payload() {
        Some(inner) if inner.ether_type == PPPOE_SESSION => {
            ppp(inner.payload.get(PPPOE_HEADER..)?)
        }
        Some(inner) if inner.ether_type == MPLS => {
            // The lowest bit of a label's third byte says that it is the last one.
            let mut labels = inner.payload.chunks_exact(4);
            labels.find(|label| label[2] & 1 != 0)?;
            let left = labels.len() * 4 + labels.remainder().len();
            let ip = &inner.payload[inner.payload.len() - left..];
            LaxSlicedPacket::from_ip(ip).ok()
        }
        _ => Some(packet),
    }
}

/// What is behind a type of Ethernet in a tunnel.
fn carried(kind: u16, bytes: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    match kind {
        BRIDGED => ethernet(bytes),
        _ => Some(LaxSlicedPacket::from_ether_type(EtherType(kind), bytes)),
    }
}

/// What a tunnel carries in this payload of IP: IP in IP, GRE, or in UDP VXLAN, GENEVE and GTP.
fn inside(protocol: IpNumber, payload: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let word = |at: usize| {
        Some(u16::from_be_bytes([
            *payload.get(at)?,
            *payload.get(at + 1)?,
        ]))
    };
    match protocol {
        IpNumber::IPV4 | IpNumber::IPV6 => LaxSlicedPacket::from_ip(payload).ok(),
        IpNumber::GRE => {
            let (flags, kind) = (word(0)?, word(2)?);
            // A checksum, a key and a number, each of four bytes, where it says so.
            let header = 4 + 4 * (flags & 0xb000).count_ones() as usize;
            let numbered = flags & 0x1000 != 0;
            match kind {
                SPANNED => ethernet(payload.get(header + if numbered { 8 } else { 0 }..)?),
                SPANNED_3 => {
                    let more = payload.get(header + 11)? & 1 != 0;
                    ethernet(payload.get(header + if more { 20 } else { 12 }..)?)
                }
                _ => carried(kind, payload.get(header..)?),
            }
        }
        IpNumber::UDP => {
            let tunnel = payload.get(8..)?;
            let first = *tunnel.first()?;
            match word(2)? {
                // The number of Linux before there was another.
                4789 | 8472 if first == 0x08 => ethernet(tunnel.get(8..)?),
                6081 if first < 0x40 => {
                    let header = 8 + usize::from(first) * 4;
                    carried(word(10)?, tunnel.get(header..)?)
                }
                2152 if first & 0xf0 == 0x30 && tunnel.get(1) == Some(&0xff) => {
                    let mut at = if first & 7 != 0 { 12 } else { 8 };
                    // Each further header has its length in four bytes, and ends with the type of the next one.
                    while first & 4 != 0 && *tunnel.get(at - 1)? != 0 {
                        at += usize::from(*tunnel.get(at)?).max(1) * 4;
                    }
                    LaxSlicedPacket::from_ip(tunnel.get(at..)?).ok()
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// IP behind a header of PPP, which may begin with an address and a control byte.
fn ppp(bytes: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    // Ends may agree to leave out the first byte of the protocol.
    let (0x21 | 0x57, ip) = bytes.strip_prefix(&[0]).unwrap_or(bytes).split_first()? else {
        return None;
    };
    LaxSlicedPacket::from_ip(ip).ok()
}

/// What a frame of Wi-Fi with data has, unless it is encrypted.
fn wifi(bytes: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
    let [control, flags, ..] = *bytes else {
        return None;
    };
    let (data, encrypted) = (control & 0x0c == 0x08, flags & 0x40 != 0);
    let (relayed, with_quality, ordered) = (flags & 3 == 3, control & 0x80 != 0, flags & 0x80 != 0);
    let header = 24 + if relayed { 6 } else { 0 } + if with_quality { 2 } else { 0 };
    let header = header + if with_quality && ordered { 4 } else { 0 };
    let rest = bytes.get(header..)?.strip_prefix(&SNAP)?;
    let (kind, rest) = rest.split_first_chunk()?;
    (data && !encrypted)
        .then(|| LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(*kind)), rest))
}

/// The datagram of a frame, if it has one.
pub fn of(link: i32, bytes: &[u8]) -> Option<Datagram<'_>> {
    within(&network(link, bytes)?, DEEPEST)
}

/// The datagram of a packet, or of what it carries as a tunnel.
fn within<'a>(packet: &LaxSlicedPacket<'a>, depth: usize) -> Option<Datagram<'a>> {
    let (from, to, content, first): (IpAddr, IpAddr, _, _) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
                ip.payload(),
                header.fragments_offset().value() == 0,
            )
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
                ip.payload(),
                // The pieces after the first have no UDP header, and their lengths tell that below.
                true,
            )
        }
        LaxNetSlice::Arp(_) => return None,
    };
    if !first {
        return None;
    }
    let carried = (depth > 0).then(|| inside(content.ip_number, content.payload));
    if let Some(datagram) = carried.flatten().and_then(|it| within(&it, depth - 1)) {
        return Some(datagram);
    }
    if content.ip_number != IpNumber::UDP {
        return None;
    }
    let word = |at: usize| {
        Some(u16::from_be_bytes(
            content.payload.get(at..at + 2)?.try_into().ok()?,
        ))
    };
    let (source, destination, length) = (word(0)?, word(2)?, usize::from(word(4)?));
    let payload = content.payload.get(8..)?;
    let length = length.checked_sub(8)?;
    if !content.fragmented && !content.incomplete && payload.len() < length {
        return None;
    }
    Some(Datagram {
        from: SocketAddr::new(from, source),
        to: SocketAddr::new(to, destination),
        payload: &payload[..payload.len().min(length)],
        length,
        fragmented: content.fragmented,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const PAYLOAD: &[u8] = b"a datagram of thirty-one bytes.";

    fn check(link: i32, bytes: &[u8], what: &str) {
        let found = of(link, bytes).unwrap_or_else(|| panic!("{what}: none"));
        assert_eq!(found.payload, PAYLOAD, "{what}");
        assert_eq!((found.from.port(), found.to.port()), (4000, 9), "{what}");
        assert_eq!(found.length, PAYLOAD.len());
    }

    #[test]
    fn datagrams_are_found_behind_every_link_that_captures_have() {
        let write = |builder: etherparse::PacketBuilderStep<etherparse::UdpHeader>| {
            let mut bytes = Vec::new();
            builder.write(&mut bytes, PAYLOAD).unwrap();
            bytes
        };
        let mac = [2, 0, 0, 0, 0, 1];
        let four = write(PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(4000, 9));
        let six = write(PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(4000, 9));
        check(101, &four, "bare IPv4");
        check(101, &six, "bare IPv6");
        let ethernet = PacketBuilder::ethernet2(mac, mac);
        check(
            1,
            &write(ethernet.ipv4([1; 4], [2; 4], 64).udp(4000, 9)),
            "Ethernet",
        );
        let tagged = PacketBuilder::ethernet2(mac, mac)
            .single_vlan(7.try_into().unwrap())
            .ipv6([1; 16], [2; 16], 64);
        check(1, &write(tagged.udp(4000, 9)), "VLAN");
        let twice = PacketBuilder::ethernet2(mac, mac)
            .double_vlan(7.try_into().unwrap(), 8.try_into().unwrap())
            .ipv4([1; 4], [2; 4], 64);
        check(1, &write(twice.udp(4000, 9)), "two VLAN tags");
        check(0, &[&[2, 0, 0, 0][..], &four].concat(), "loopback");
        let session = [0x11, 0, 0, 7, 0, 0];
        let mut pppoe = [2; 14];
        pppoe[12..].copy_from_slice(&[0x88, 0x64]);
        check(
            1,
            &[&pppoe[..], &session, &[0, 0x21], &four].concat(),
            "PPPoE",
        );
        check(9, &[&[0, 0x57][..], &six].concat(), "PPP");
        check(9, &[&[0xff, 3, 0, 0x21][..], &four].concat(), "PPP, framed");
        check(50, &[&[0xff, 3, 0, 0x57][..], &six].concat(), "PPP, serial");
        check(9, &[&[0x21][..], &four].concat(), "PPP, short");
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        let wifi = [&[8, 1][..], &[0; 22], &snap, &four].concat();
        check(105, &wifi, "Wi-Fi");
        let radio = [0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let relayed = [&[0x88, 3][..], &[0; 30], &snap, &four].concat();
        check(127, &[&radio[..], &relayed].concat(), "Wi-Fi with radiotap");
        let mut encrypted = wifi;
        encrypted[1] |= 0x40;
        assert_eq!(of(105, &encrypted), None);
        let mut apple = [0; 108];
        (apple[0], apple[8]) = (108, 12);
        for link in [149, 258] {
            check(link, &[&apple[..], &four].concat(), "any of macOS");
        }
        apple[8] = 149;
        assert_eq!(of(149, &apple), None);
        let mut cooked = [0; 16];
        cooked[14] = 8;
        check(113, &[&cooked[..], &four].concat(), "cooked");
        let mut cooked = [0; 20];
        cooked[..2].copy_from_slice(&[0x86, 0xdd]);
        check(276, &[&cooked[..], &six].concat(), "cooked, version 2");
    }

    /// A mirror of the cloud gives each packet another port, so that one conversation was taken for hundreds.
    #[test]
    fn tunnels_were_taken_for_the_conversation_that_they_carry() {
        let mac = [2, 0, 0, 0, 0, 1];
        let mut four = Vec::new();
        let plain = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(4000, 9);
        plain.write(&mut four, PAYLOAD).unwrap();
        let ether = |kind: [u8; 2], rest: &[u8]| [&[2; 12], &kind[..], rest].concat();
        let frame = ether([8, 0], &four);
        let udp = |port: u16, parts: &[&[u8]]| {
            let mut bytes = Vec::new();
            let outer = PacketBuilder::ethernet2(mac, mac).ipv6([3; 16], [4; 16], 64);
            outer
                .udp(50_000, port)
                .write(&mut bytes, &parts.concat())
                .unwrap();
            bytes
        };
        let ip = |number: IpNumber, parts: &[&[u8]]| {
            let mut bytes = Vec::new();
            let outer = PacketBuilder::ethernet2(mac, mac).ipv4([3; 4], [4; 4], 64);
            outer.write(&mut bytes, number, &parts.concat()).unwrap();
            bytes
        };
        let vxlan = [8, 0, 0, 0, 0, 0, 7, 0];
        let span = [0; 12];
        let gre = IpNumber::GRE;
        for (what, bytes) in [
            ("VXLAN", udp(4789, &[&vxlan, &frame])),
            ("VXLAN of Linux", udp(8472, &[&vxlan, &frame])),
            (
                "GENEVE",
                udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 7, 0], &[9; 4], &frame]),
            ),
            ("GTP", udp(2152, &[&[0x30, 0xff, 0, 59, 0, 0, 0, 9], &four])),
            (
                "GTP with another header",
                udp(
                    2152,
                    &[
                        &[0x34, 0xff, 0, 67, 0, 0, 0, 9, 0, 0, 0, 0x85],
                        &[1, 0, 1, 0],
                        &four,
                    ],
                ),
            ),
            ("IP in IP", ip(IpNumber::IPV4, &[&four])),
            ("GRE", ip(gre, &[&[0, 0, 8, 0], &four])),
            (
                "GRE with a key and a number",
                ip(gre, &[&[0x30, 0, 8, 0], &[0; 8], &four]),
            ),
            ("GRE with Ethernet", ip(gre, &[&[0, 0, 0x65, 0x58], &frame])),
            ("ERSPAN", ip(gre, &[&[0, 0, 0x88, 0xbe], &frame])),
            (
                "ERSPAN 2",
                ip(gre, &[&[0x10, 0, 0x88, 0xbe], &span, &frame]),
            ),
            (
                "ERSPAN 3",
                ip(gre, &[&[0x10, 0, 0x22, 0xeb], &[0; 4], &span, &frame]),
            ),
            (
                "MPLS",
                ether(
                    [0x88, 0x47],
                    &[&[0, 0, 0, 64, 0, 0, 1, 64], &four[..]].concat(),
                ),
            ),
            (
                "a tunnel in a tunnel",
                udp(4789, &[&vxlan, &ip(gre, &[&[0, 0, 8, 0], &four])]),
            ),
        ] {
            check(1, &bytes, what);
            for length in 0..bytes.len() - PAYLOAD.len() {
                of(1, &bytes[..length]);
            }
        }
        // What only has the port of a tunnel is a datagram of its own.
        let other = udp(4789, &[PAYLOAD]);
        let other = of(1, &other).unwrap();
        assert_eq!((other.to.port(), other.payload), (4789, PAYLOAD));
    }

    #[test]
    fn what_the_capture_cut_off_still_tells_its_length() {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([1; 4], [2; 4], 64)
            .udp(4000, 9)
            .write(&mut bytes, PAYLOAD)
            .unwrap();
        let found = of(101, &bytes[..40]).unwrap();
        assert_eq!(
            (found.payload, found.length),
            (&PAYLOAD[..12], PAYLOAD.len())
        );
        for length in 0..28 {
            assert_eq!(of(101, &bytes[..length]), None);
        }
    }
}
