//! The mirrors against a real library: set `KCP_ORIGINAL` to the path of the original's shared library, any version from 1.4 on.

use std::cell::RefCell;
use std::rc::Rc;

use kcp_abi::{Kcp, Layout, Library};

type Wire = Rc<RefCell<Vec<Vec<u8>>>>;

fn original() -> Option<&'static Library> {
    let Some(path) = std::env::var_os("KCP_ORIGINAL") else {
        eprintln!("skipped: KCP_ORIGINAL does not name a shared library");
        return None;
    };
    Some(Library::open(path).expect("KCP_ORIGINAL loads"))
}

fn connection(library: &'static Library, wire: &Wire) -> Kcp<impl FnMut(&[u8]) -> i32 + use<>> {
    let wire = Rc::clone(wire);
    let mut kcp = Kcp::new(library, 0x1234_5678, move |packet: &[u8]| {
        wire.borrow_mut().push(packet.to_vec());
        0
    })
    .expect("memory for a connection");
    kcp.nodelay(1, 10, 2, 1);
    kcp
}

#[test]
fn a_new_object_reads_as_documented() {
    let Some(library) = original() else { return };
    let wire = Wire::default();
    let mut kcp = connection(library, &wire);
    let fields = kcp.fields();
    assert_eq!(
        (fields.conv, fields.mtu, fields.mss),
        (0x1234_5678, 1400, 1376)
    );
    assert_eq!(
        (fields.snd_wnd, fields.rcv_wnd, fields.interval),
        (32, 128, 10)
    );
    assert_eq!(
        (fields.rx_minrto, fields.dead_link, fields.ackblock),
        (30, 20, 0)
    );
    let tail = kcp.tail();
    // SAFETY: the object is alive, and these are its own fields.
    unsafe {
        assert_eq!((*tail.fastresend, *tail.fastlimit), (2, 5));
        assert_eq!((*tail.nocwnd, *tail.stream, *tail.logmask), (1, 0, 0));
        assert!((*tail.output).is_some() && (*tail.writelog).is_none());
    }
    kcp.stream(true);
    // SAFETY: as above.
    assert_eq!(unsafe { *tail.stream }, 1);
    assert_eq!(
        library.functions.setcc.is_some(),
        library.layout() == Layout::V211
    );
    assert_eq!(library.constant("IKCP_OVERHEAD"), Some(24));
    assert_eq!(library.constant("IKCP_NO_SUCH_THING"), None);
}

#[test]
fn two_objects_exchange_a_message() {
    let Some(library) = original() else { return };
    let (forth, back) = (Wire::default(), Wire::default());
    let mut sender = connection(library, &forth);
    let mut receiver = connection(library, &back);
    let message: Vec<u8> = (0..5000).map(|at| at as u8).collect();
    assert!(sender.send(&message) >= 0);
    assert_eq!(sender.waitsnd(), 4);
    let mut buffer = vec![0; 6000];
    for now in 0..30 {
        sender.update(now);
        receiver.update(now);
        for packet in forth.take() {
            assert_eq!(receiver.input(&packet), 0);
        }
        for packet in back.take() {
            assert_eq!(sender.input(&packet), 0);
        }
    }
    assert_eq!(receiver.peeksize(), 5000);
    assert_eq!(receiver.recv(&mut buffer), 5000);
    assert_eq!(buffer[..5000], message[..]);
    assert_eq!(receiver.recv(&mut buffer), -1);
    assert_eq!((sender.waitsnd(), sender.fields().snd_una), (0, 4));
}
