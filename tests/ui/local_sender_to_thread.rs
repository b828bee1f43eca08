//! A channel within a core has no atomics: neither side can go to another thread (hazard D4).

use uring::local::mpsc::{Sender, channel};

fn main() {
    let (tx, mut rx): (Sender<u32>, _) = channel(1);
    std::thread::spawn(move || tx.try_send(1));
    let _ = rx.try_recv();
}
