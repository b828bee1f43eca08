//! What `select!` cannot mean.

#[uring::main]
async fn main() {
    uring::select! {}
    uring::select! {
        else => {}
        () = async {} => {}
    }
    let number: u32 = uring::select! {
        () = async {} => 1,
        () = async {} => "two",
    };
    drop(number);
}
