//! Copies a file with many reads and writes in flight: `cp FROM TO`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::cell::Cell;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use uring::buf::{BufResult, IoBuf, IoBufMut};
use uring::fs::File;

const HELP: &str = "\
Usage: cp FROM TO

Copies the file FROM to TO, which is made or replaced, and is on the disk when the program ends.";

/// Chunks that are copied at once.
const FLIGHTS: usize = 16;
/// Bytes of a chunk.
const CHUNK: usize = 256 * 1024;

/// One copy: the two files, and where the next chunk begins that nobody has taken.
struct Copy {
    from: File,
    to: File,
    bytes: u64,
    next: Cell<u64>,
}

impl Copy {
    /// Takes the next chunk: its offset and how many bytes it has.
    fn take(&self) -> Option<(u64, usize)> {
        let offset = self.next.get();
        let left = self.bytes.checked_sub(offset).filter(|left| *left > 0)?;
        let bytes = left.min(CHUNK as u64);
        self.next.set(offset + bytes);
        Some((offset, bytes as usize))
    }

    /// Copies chunks until none is left, each with the same buffer.
    async fn run(self: Rc<Self>) -> io::Result<()> {
        let mut buf = vec![0; CHUNK];
        while let Some((offset, bytes)) = self.take() {
            let BufResult(read, part) = self.from.read_exact_at(buf.slice_mut(..bytes), offset).await;
            read?;
            let BufResult(written, part) =
                self.to.write_all_at(part.into_inner().slice(..bytes), offset).await;
            written?;
            buf = part.into_inner();
        }
        Ok(())
    }
}

/// An error with the name of the file that it is about.
fn name(path: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{path}: {error}")
}

async fn copy(from: &str, to: &str) -> Result<(), String> {
    let source = File::open(from).await.map_err(name(from))?;
    let bytes = source.metadata().await.map_err(name(from))?.len();
    let target = File::create(to).await.map_err(name(to))?;
    let copy = Rc::new(Copy { from: source, to: target, bytes, next: Cell::new(0) });
    let flights: Vec<_> = (0..FLIGHTS).map(|_| uring::spawn(Rc::clone(&copy).run())).collect();
    for flight in flights {
        let result = flight.await.map_err(io::Error::from).flatten();
        result.map_err(|error| format!("{from} to {to}: {error}"))?;
    }
    copy.to.sync_all().await.map_err(name(to))
}

#[uring::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--help" | "-h"] => println!("{HELP}"),
        [from, to] => {
            if let Err(text) = copy(from, to).await {
                eprintln!("cp: {text}");
                return ExitCode::FAILURE;
            }
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
