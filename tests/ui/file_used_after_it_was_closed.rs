//! A close takes the file: nothing can use it afterwards.

#[uring::main]
async fn main() {
    let file = uring::fs::File::open("Cargo.toml").await.unwrap();
    file.close().await.unwrap();
    let _ = file.metadata().await;
}
