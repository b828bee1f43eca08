//! A ring has one owner: a runtime cannot leave the thread that made it (hazard D4).

fn main() {
    let runtime = uring::Runtime::new().unwrap();
    std::thread::spawn(move || drop(runtime));
}
