//! A task goes on by itself, so it cannot borrow from who spawned it.

#[uring::main]
async fn main() {
    let text = String::from("mine");
    let task = uring::spawn(async { text.len() });
    drop(text);
    let _ = task.await;
}
