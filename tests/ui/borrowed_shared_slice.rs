//! A slice that is not static cannot be written from: it may be gone before the kernel has read it (hazard A5).

#[uring::main]
async fn main() {
    let file = uring::fs::File::create("/dev/null").await.unwrap();
    let bytes = vec![0; 64];
    let _ = file.write_at(&bytes[..], 0);
}
