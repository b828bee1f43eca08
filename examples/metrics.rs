//! A server that shows its own figures to Prometheus: `metrics 127.0.0.1:9100 --cores all`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::fmt::Write;
use std::io;
use std::process::ExitCode;

use uring::net::{ShutDown, TcpListener, TcpStream};
use uring::{Builder, Cores, FigureKind, Stats};

const HELP: &str = "\
Usage: metrics [ADDRESS] [--cores N|all]

Serves the figures of all cores as Prometheus text, at any path. ADDRESS is an IP address and a port, 127.0.0.1:9100
unless given; port 0 takes a free one. Prints `listening on ADDRESS` when it is ready. Ctrl-C ends it.";

/// The figures of all cores, by core, and the kernel's threads where they can be told apart.
async fn figures() -> io::Result<Vec<(Stats, Option<usize>)>> {
    let mut all = Vec::new();
    for core in 0..uring::core().count {
        let figures = || async { (uring::stats(), uring::kernel_threads().ok()) };
        all.push(uring::spawn_on(core, figures).await?);
    }
    Ok(all)
}

/// As Prometheus reads them: each figure with its meaning, and a line for each core.
fn text(cores: &[(Stats, Option<usize>)]) -> String {
    let mut text = String::new();
    for (place, figure) in cores[0].0.iter().enumerate() {
        let (name, kind) = match figure.kind {
            FigureKind::Counter => (format!("uring_{}_total", figure.name), "counter"),
            FigureKind::Gauge => (format!("uring_{}", figure.name), "gauge"),
        };
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", figure.help);
        for (core, (stats, _)) in cores.iter().enumerate() {
            if let Some(figure) = stats.iter().nth(place) {
                let _ = writeln!(text, "{name}{{core=\"{core}\"}} {}", figure.value.as_f64());
            }
        }
    }
    text += "# HELP uring_kernel_threads Threads of the kernel for operations that need one.\n";
    text += "# TYPE uring_kernel_threads gauge\n";
    for (core, threads) in
        cores.iter().enumerate().filter_map(|(core, (_, threads))| Some((core, (*threads)?)))
    {
        let _ = writeln!(text, "uring_kernel_threads{{core=\"{core}\"}} {threads}");
    }
    text
}

/// Answers one request, whatever it asks for.
async fn answer(stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let received = stream.recv().await?;
        if received.is_empty() || request.len() > 16_384 {
            return Ok(());
        }
        request.extend_from_slice(&received);
    }
    let body = text(&figures().await?);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).into_bytes()).await.into_result()?;
    stream.shutdown().await
}

async fn main_of_a_core(address: String) -> io::Result<()> {
    if uring::core().index > 0 {
        uring::shutdown_token().cancelled().await;
        return Ok(());
    }
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(uring::spawn(async move { drop(answer(stream).await) })),
            Err(error) if ShutDown::is(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let mut cores = Ok(Cores::All);
    if let Some(at) = arguments.iter().position(|argument| argument == "--cores") {
        cores = arguments.get(at + 1).map_or("", String::as_str).parse();
        arguments.drain(at..arguments.len().min(at + 2));
    }
    let address = arguments.pop().unwrap_or_else(|| "127.0.0.1:9100".to_owned());
    let served = cores.map_err(|error| error.to_string()).and_then(|cores| {
        let run = Builder::new().cores(cores).run(|| main_of_a_core(address.clone()));
        run.map_err(|error| error.to_string())
    });
    match served {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("metrics: {error}");
            ExitCode::FAILURE
        }
    }
}
