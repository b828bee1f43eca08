//! A guard holds its lock by a reference without atomics: it cannot go to another thread (hazard D4).

fn main() {}

fn to_another_thread<T: Send>(_: T) {}

fn send(guard: uring::local::OwnedMutexGuard<u32>) {
    to_another_thread(guard);
}
