//! A connection that several threads use in turn. (Tests that count memory keep their connections on one thread.)

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use ikcp_connection::{Config, Connection};

#[test]
fn a_connection_moves_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let connection = Connection::new(5, &Config::fast(), Instant::now()).expect("a connection");
    let shared = Arc::new(Mutex::new(connection));
    is_send(&shared);
    let threads: Vec<_> = (0..4u8)
        .map(|n| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for _ in 0..if cfg!(miri) { 5 } else { 500 } {
                    let mut connection = shared.lock().expect("no thread panics");
                    connection.send(&[n; 100]).expect("it is not too long");
                    let mut packets = 0;
                    connection.flush_with(Instant::now(), |_| packets += 1);
                    _ = connection.recv();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    // Dropped on a thread other than the one that created it.
    let connection = Arc::into_inner(shared).expect("the last one");
    thread::spawn(move || drop(connection))
        .join()
        .expect("no thread panics");
}
