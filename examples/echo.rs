//! A TCP echo server: `echo 127.0.0.1:7000`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::io;
use std::process::ExitCode;

use uring::net::{TcpListener, TcpStream};

const HELP: &str = "\
Usage: echo [ADDRESS]

Sends back whatever a TCP client sends. ADDRESS is an IP address and a port, 127.0.0.1:7000 unless given; port 0 takes
a free one. Prints `listening on ADDRESS` when it is ready, and runs until it is killed.";

/// Sends back the very buffers that the kernel filled.
async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let received = stream.recv().await?;
        if received.is_empty() {
            return Ok(());
        }
        stream.write_all(received).await.into_result()?;
    }
}

async fn listen(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        drop(uring::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("{peer}: {error}");
            }
        }));
    }
}

#[uring::main]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    if address == "--help" || address == "-h" {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match listen(&address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}
