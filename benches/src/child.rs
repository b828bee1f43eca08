//! A process of the harness, seen from its parent: started from this same program, asked, and ended with its input.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::arms::Arm;
use crate::control::Reply;

/// A process that is silent for so long hangs; the longest honest silence is a round or the opening of connections.
const SILENCE_MS_MAX: u16 = 60_000;

/// A started process. Dropping it closes its input, which ends it.
pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this program again with other arguments; `name` is for error texts.
    pub(crate) fn start(name: String, args: &[String]) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = process.stdin.take();
        let replies = process.stdout.take().ok_or("a child has no standard output")?;
        Ok(Self { name, process, requests, replies: BufReader::new(replies) })
    }

    /// Starts an echo server with a core on each of these processors, and waits until it listens.
    pub(crate) fn server(arm: Arm, cpus: &[usize]) -> Result<(Self, SocketAddr)> {
        let (arm_name, cores) = (arm.to_string(), cpus.len().to_string());
        let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let [kind, protocol, control] = ["serve", "tcp-echo", "--control"];
        let args = [kind, protocol, control, "--arm", &arm_name, "--cores", &cores, "--cpu", &cpus.join(",")]
            .map(str::to_owned);
        let mut server = Self::start(format!("the {arm} server"), &args)?;
        let line = server.line()?;
        let addr =
            line.strip_prefix("listening on ").ok_or_else(|| format!("{} said: {line}", server.name))?;
        Ok((server, addr.parse()?))
    }

    /// Waits for the line `ready`.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        match self.line()?.as_str() {
            "ready" => Ok(()),
            other => Err(format!("{} said: {other}", self.name).into()),
        }
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn ask<A: DeserializeOwned>(&mut self, request: &impl Serialize) -> Result<A> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.requests.as_mut().ok_or("the child was closed")?.write_all(line.as_bytes())?;
        match serde_json::from_str(&self.line()?)? {
            Reply::Done(answer) => Ok(answer),
            Reply::Failed(why) => Err(format!("{}: {why}", self.name).into()),
        }
    }

    /// One line. At most one is ever under way, so nothing hides in the reader's buffer while we poll.
    fn line(&mut self) -> Result<String> {
        let mut waits = [PollFd::new(self.replies.get_ref().as_fd(), PollFlags::POLLIN)];
        if poll(&mut waits, PollTimeout::from(SILENCE_MS_MAX))? == 0 {
            return Err(format!("{} was silent for {SILENCE_MS_MAX} ms", self.name).into());
        }
        let mut line = String::new();
        if self.replies.read_line(&mut line)? == 0 {
            return Err(format!("{} ended early ({})", self.name, self.process.wait()?).into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.requests = None;
        // The end of its input tells a healthy process to end; a hung one must not keep the harness waiting, and
        // nothing in any of them needs an orderly end. Both calls fail only if it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
