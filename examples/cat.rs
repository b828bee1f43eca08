//! Writes files to the standard output: `cat FILE...`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::io::{self, Write};
use std::process::ExitCode;

use uring::fs::File;

const HELP: &str = "\
Usage: cat FILE...

Writes files to the standard output, one after the other. A file that cannot be read is named on the standard error,
and the others are written all the same; the exit code is 1 then.";

/// Bytes of a read.
const CHUNK: usize = 256 * 1024;

/// Copies a file, with one buffer that goes to the kernel and comes back. Reads fail with the file's error, and
/// writes with that of the output.
async fn copy(path: &str, to: &mut impl Write) -> Result<io::Result<()>, io::Error> {
    let from = File::open(path).await?;
    let mut buf = Vec::with_capacity(CHUNK);
    let mut offset = 0;
    loop {
        let bytes;
        (bytes, buf) = from.read_at(buf, offset).await.into_result()?;
        if bytes == 0 {
            return Ok(to.flush());
        }
        // The output has a position that is shared with other programs, which only a plain write heeds.
        if let Err(error) = to.write_all(&buf) {
            return Ok(Err(error));
        }
        offset += bytes as u64;
    }
}

async fn cat(paths: &[String]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        match copy(path, &mut io::stdout().lock()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                eprintln!("cat: standard output: {error}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("cat: {path}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

#[uring::main]
async fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    match paths.first().map(String::as_str) {
        Some("--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(_) => cat(&paths).await,
        None => {
            eprintln!("{HELP}");
            ExitCode::FAILURE
        }
    }
}
