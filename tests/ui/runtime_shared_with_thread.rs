//! A ring has one owner: a runtime cannot be used from another thread either (hazard D4).

fn main() {
    let runtime = uring::Runtime::new().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(async {}));
    });
}
