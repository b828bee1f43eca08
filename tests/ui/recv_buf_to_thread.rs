//! A received buffer goes back to its core's pool: it cannot go to another thread (hazard D4).

fn main() {}

fn to_another_thread<T: Send>(_: T) {}

fn send(received: uring::buf::RecvBuf) {
    to_another_thread(received);
}
