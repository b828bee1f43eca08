//! While an operation has a buffer, nobody else does (hazard A1).

#[uring::main]
async fn main() {
    let file = uring::fs::File::open("Cargo.toml").await.unwrap();
    let mut buf = vec![0; 64];
    let read = file.read_at(buf, 0);
    buf[0] = 1;
    let _ = read.await;
}
