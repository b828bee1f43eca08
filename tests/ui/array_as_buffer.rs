//! An array moves with its operation: it is no buffer for the kernel (hazard A17).

#[uring::main]
async fn main() {
    let file = uring::fs::File::open("Cargo.toml").await.unwrap();
    let _ = file.read_at([0u8; 64], 0);
    let _ = file.write_at([0u8; 64], 0);
}
