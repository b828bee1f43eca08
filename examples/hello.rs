//! Says hello, a second time after a moment.
#![allow(clippy::print_stdout, reason = "an example")]

use uring::time::{Duration, sleep};

#[uring::main]
async fn main() {
    let later = uring::spawn(async {
        sleep(Duration::from_millis(10)).await;
        "and hello again, from a task"
    });
    println!("hello from uring");
    match later.await {
        Ok(text) => println!("{text}"),
        Err(error) => println!("{error}"),
    }
}
