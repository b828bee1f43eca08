//! A connection belongs to its core: it cannot go to another thread (hazard D4).

fn main() {}

fn to_another_thread<T: Send>(_: T) {}

fn send(stream: uring::net::TcpStream) {
    to_another_thread(stream);
}
