//! `uring-bench`: the harness that compares the runtime with epoll, with the bare ring and with tokio.
//!
//! Read in this order: `compare` (what is run and in which order), `verdict` (what is refused), `stats` (how rounds
//! become one number), `load` (who drives the servers), then `arms`, one folder per contestant.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "a command line tool")]

mod cli;
mod compare;
mod idle_memory;
mod losses;
mod mutants;

mod report;
mod stats;
mod verdict;

mod arms;
mod workload;

mod child;
mod control;
mod load;
mod local;
mod serve;

mod affinity;
mod alloc;
mod meter;
mod pattern;
mod ring;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Any failure of the harness; its text is all that anybody does with it.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(args) => compare::run(&args),
        Command::Serve(args) => serve::run(&args).map(|()| ExitCode::SUCCESS),
        Command::IdleMemory(args) => idle_memory::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Losses(args) => losses::run(&args),
        Command::LossesChild(args) => losses::run_child(&args).map(|()| ExitCode::SUCCESS),
        Command::Mutants(args) => mutants::run(&args),
        Command::Load(args) => load::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Local(args) => local::run(&args).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("uring-bench: {error}");
        ExitCode::FAILURE
    })
}
