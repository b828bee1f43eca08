//! A borrowed slice cannot be read into: the kernel may still use it when the borrow has ended (hazard A5).

#[uring::main]
async fn main() {
    let file = uring::fs::File::open("Cargo.toml").await.unwrap();
    let mut bytes = vec![0; 64];
    let _ = file.read_at(&mut bytes[..], 0);
}
