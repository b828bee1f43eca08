//! A peer that reads late, and looks for bytes of freed memory in what it reads.
//!
//! While it does not read, a zero-copy send has its bytes nowhere but in the buffer. One that was freed meanwhile is filled
//! with the quarantine's pattern, and that is what would come.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::keeper::PATTERN;

/// Longer than the tests keep what they drop.
const DELAY: Duration = Duration::from_millis(20);
/// A connection that was forgotten has no end.
const SILENCE: Duration = Duration::from_millis(200);

pub(crate) struct LateReader {
    pub(crate) address: SocketAddr,
    received: AtomicUsize,
    stale: AtomicUsize,
}

impl LateReader {
    pub(crate) fn new() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let reader = Arc::new(Self { address, received: AtomicUsize::new(0), stale: AtomicUsize::new(0) });
        let shared = Arc::clone(&reader);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.read(&stream.unwrap()));
            }
        });
        reader
    }

    fn read(&self, mut stream: &TcpStream) {
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        thread::sleep(DELAY);
        // Not on the heap, which is in quarantine.
        let mut bytes = [0; 1 << 14];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            self.received.fetch_add(count, Ordering::SeqCst);
            let stale = bytes[..count].iter().filter(|byte| **byte == PATTERN).count();
            self.stale.fetch_add(stale, Ordering::SeqCst);
        }
    }

    /// How many bytes of freed memory came.
    pub(crate) fn stale(&self) -> usize {
        assert!(self.received.load(Ordering::SeqCst) > 0, "nothing was sent");
        self.stale.load(Ordering::SeqCst)
    }
}
