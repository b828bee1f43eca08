//! A task's handle belongs to the task's core (hazards D2 and D4), whatever the task gives.

fn main() {}

fn to_another_thread<T: Send>(_: T) {}

fn send(task: uring::JoinHandle<u8>) {
    to_another_thread(task);
}
