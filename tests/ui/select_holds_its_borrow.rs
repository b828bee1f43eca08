//! What a branch borrows is borrowed by no other one: both are polled.

#[uring::main]
async fn main() {
    let (_sender, mut receiver) = uring::local::mpsc::channel::<u32>(1);
    uring::select! {
        value = receiver.recv() => drop(value),
        value = receiver.recv() => drop(value),
    }
}
