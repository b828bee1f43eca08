//! What is shared cannot be read into.

#[uring::main]
async fn main() {
    let stream = uring::net::TcpStream::connect("127.0.0.1:7").await.unwrap();
    let _ = stream.read("static");
    let received = stream.recv().await.unwrap();
    let _ = stream.read(received);
}
