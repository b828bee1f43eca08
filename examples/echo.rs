//! A TCP echo server on as many cores as you like: `echo 127.0.0.1:7000 --cores all`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::io;
use std::process::ExitCode;

use uring::net::{ShutDown, TcpListenerOptions, TcpStream};
use uring::{Builder, Cores};

const HELP: &str = "\
Usage: echo [ADDRESS] [--cores N|all]

Sends back whatever a TCP client sends. ADDRESS is an IP address and a port, 127.0.0.1:7000 unless given; port 0 takes
a free one. Runs on one core unless told otherwise; the kernel spreads the connections over the cores. Prints
`listening on ADDRESS` when it is ready. Ctrl-C and SIGTERM end it in order.";

/// Sends back the very buffers that the kernel filled, until the client ends the connection or the server shuts down.
async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let shutdown = uring::shutdown_token();
    while let Some(received) = shutdown.run_until_cancelled(stream.recv()).await {
        let received = received?;
        if received.is_empty() {
            break;
        }
        stream.write_all(received).await.into_result()?;
    }
    Ok(())
}

/// The main of each core: all listen on one port.
async fn listen(address: String) -> io::Result<()> {
    let listener = TcpListenerOptions::new().bind_per_core(address).await?;
    if uring::core().index == 0 {
        println!("listening on {}", listener.local_addr()?);
    }
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(uring::spawn(async move {
                if let Err(error) = serve(stream).await {
                    eprintln!("{peer}: {error}");
                }
            })),
            Err(error) if ShutDown::is(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The address and the number of cores, as the arguments say.
fn arguments() -> Result<(String, Cores), String> {
    let (mut address, mut cores) = ("127.0.0.1:7000".to_owned(), Cores::Count(1));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Err(HELP.to_owned()),
            "--cores" => {
                let text = arguments.next().unwrap_or_default();
                cores = text.parse().map_err(|error| format!("--cores: {error}"))?;
            }
            _ => address = argument,
        }
    }
    Ok((address, cores))
}

fn main() -> ExitCode {
    let (address, cores) = match arguments() {
        Ok(arguments) => arguments,
        Err(text) if text == HELP => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            eprintln!("echo: {text}");
            return ExitCode::FAILURE;
        }
    };
    match Builder::new().cores(cores).run(|| listen(address.clone())) {
        Ok(_) => ExitCode::SUCCESS,
        Err(uring::LaunchError::Failed { error, .. }) => {
            eprintln!("echo: {address}: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}
