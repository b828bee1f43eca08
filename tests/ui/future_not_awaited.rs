//! A future that is not awaited does nothing, a result that is not looked at may be an error, and a handle that is
//! dropped detaches its task: each must be said.
#![deny(unused_must_use)]

#[uring::main]
async fn main() {
    let file = uring::fs::File::open("Cargo.toml").await.unwrap();
    file.sync_all();
    file.read_at(Vec::new(), 0).await;
    uring::time::sleep(std::time::Duration::ZERO);
    uring::spawn(async {});
}
