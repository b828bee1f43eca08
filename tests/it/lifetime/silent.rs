//! A file system in which no file is ever found or said to be absent: an open that has begun cannot be cancelled and never
//! ends. But one file is found and can be opened, and a read of it never ends.
//!
//! It is a FUSE server of a hundred lines, because nothing else on every machine holds an operation up against its cancel.
//! An open waits in a thread of the kernel's; a read waits where it is submitted. The server is a
//! process of its own, which ends with the one that it serves: a killed process whose thread waits for itself would never
//! go away.

use std::cell::Cell;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, poll};

use crate::kit::Scratch;

/// Operation codes and sizes of `linux/fuse.h`.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const REQUEST_BYTES_MAX: usize = 1 << 20;
const PARALLEL_DIROPS: u32 = 1 << 18;
const INIT_OUT_BYTES: usize = 64;
const OPEN_OUT_BYTES: usize = 16;

const ENOSYS: i32 = 38;
const MODE_DIRECTORY: u32 = 0o040_755;
const MODE_FILE: u32 = 0o100_644;
const FILE_BYTES: u64 = 65_536;
/// The one file that is found, by name and number. The root directory is number 1.
const FOUND: &str = "found";
const FOUND_NODE: u64 = 2;

/// Names the process that is served, in that of the server.
const SERVES: &str = "URING_TEST_SERVES";
/// What the server says for each lookup and for each read that gets no answer. Nothing else that a test's process says has
/// these bytes.
const LOOKED_UP: u8 = 1;
const READ_FROM: u8 = 2;
/// How often the server looks whether it is to end.
const LOOK_MS: u16 = 10;

/// The file system. It is mounted nowhere but behind a descriptor, so that nothing is left of it when the process is killed.
/// Dropping it ends what waits for it.
pub(super) struct Silent {
    root: File,
    server: Child,
    said: File,
    lookups: Cell<u64>,
    reads: Cell<u64>,
}

impl Silent {
    /// Mounts it, or says why that is not possible: it takes the right to mount, and `/dev/fuse`.
    pub(super) fn mount() -> io::Result<Self> {
        let device =
            File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/fuse")?;
        let scratch = Scratch::new();
        let mounted = scratch.path("silent");
        std::fs::create_dir_all(&mounted)?;
        let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(Some("uring-test"), &mounted, Some("fuse"), flags, Some(data.as_str()))?;
        let mut server = Command::new(env::current_exe()?)
            .args(["lifetime::silent::the_server_of_a_silent_file_system", "--exact", "--nocapture"])
            .env(SERVES, std::process::id().to_string())
            .stdin(Stdio::from(OwnedFd::from(device)))
            .stdout(Stdio::piped())
            .spawn()?;
        let said = File::from(OwnedFd::from(server.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?));
        let root = File::open(&mounted);
        umount2(&mounted, MntFlags::MNT_DETACH)?;
        Ok(Self { root: root?, server, said, lookups: Cell::new(0), reads: Cell::new(0) })
    }

    /// A path that nothing is ever said about.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/file-{number}", self.root.as_raw_fd()))
    }

    /// The path of the file that can be opened, and whose reads never end.
    pub(super) fn found(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{FOUND}", self.root.as_raw_fd()))
    }

    /// How many opens have come, and wait.
    pub(super) fn waiting(&self) -> u64 {
        self.listen();
        self.lookups.get()
    }

    /// How many reads have come, and wait.
    pub(super) fn reading(&self) -> u64 {
        self.listen();
        self.reads.get()
    }

    /// Hears what the server has said.
    fn listen(&self) {
        let mut said = [0; 4096];
        while poll(&mut [PollFd::new(self.said.as_fd(), PollFlags::POLLIN)], 0_u16).unwrap_or(0) > 0 {
            let bytes = (&self.said).read(&mut said).unwrap();
            for (count, what) in [(&self.lookups, LOOKED_UP), (&self.reads, READ_FROM)] {
                let more = said[..bytes].iter().filter(|byte| **byte == what).count();
                count.set(count.get() + more as u64);
            }
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // With the server's process the device is closed: the kernel answers what waits with an error.
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

#[test]
fn the_server_of_a_silent_file_system() {
    // Only the process that `Silent::mount` starts serves.
    if let Ok(client) = env::var(SERVES) {
        let device = File::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
        serve(device, client.parse().unwrap());
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Whether the process has not been killed. One whose thread waits for this file system is not gone even then, so that being
/// its child tells nothing.
fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn serve(mut device: File, client: u32) {
    let mut request = vec![0; REQUEST_BYTES_MAX];
    while is_alive(client) {
        let mut ready = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        // A signal is as good as a time-out.
        if poll(&mut ready, LOOK_MS).unwrap_or(0) == 0 {
            continue;
        }
        let bytes = match device.read(&mut request) {
            Ok(bytes) => bytes,
            // A signal, or a request that was taken back.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ENOENT)) => {
                continue;
            }
            Err(_) => return,
        };
        let opcode = word(&request, 4);
        let unique = request[8..16].to_vec();
        let is_found = request[16..24] == FOUND_NODE.to_le_bytes();
        let answer = match opcode {
            LOOKUP if request[40..bytes].strip_suffix(b"\0") == Some(FOUND.as_bytes()) => Ok(entry()),
            LOOKUP | READ => {
                say(if opcode == READ { READ_FROM } else { LOOKED_UP });
                continue;
            }
            OPEN => Ok(vec![0; OPEN_OUT_BYTES]),
            // They want no answer; a lookup that was interrupted gets none either.
            FORGET | INTERRUPT => continue,
            INIT => Ok(init(&request[40..bytes])),
            GETATTR if is_found => Ok([vec![0; 16], file()].concat()),
            GETATTR => Ok([vec![0; 16], root()].concat()),
            _ => Err(ENOSYS),
        };
        let (error, body) = answer.map_or_else(|errno| (-errno, Vec::new()), |body| (0, body));
        let length = (16 + body.len()) as u32;
        let reply = [&length.to_le_bytes()[..], &error.to_le_bytes(), &unique, &body].concat();
        if device.write_all(&reply).is_err() {
            return;
        }
    }
}

fn say(what: u8) {
    io::stdout().write_all(&[what]).unwrap();
    io::stdout().flush().unwrap();
}

/// `struct fuse_init_out`: the version that was offered, and lookups beside each other.
fn init(offered: &[u8]) -> Vec<u8> {
    let mut out = vec![0; INIT_OUT_BYTES];
    out[..8].copy_from_slice(&offered[..8]);
    out[12..16].copy_from_slice(&PARALLEL_DIROPS.to_le_bytes());
    // The largest write, which has a minimum.
    out[20..24].copy_from_slice(&4096_u32.to_le_bytes());
    out
}

/// `struct fuse_entry_out` of the file that is found: its number, a generation, and for how long all of that holds.
fn entry() -> Vec<u8> {
    let mut out = vec![0; 40];
    out[..8].copy_from_slice(&FOUND_NODE.to_le_bytes());
    [out, file()].concat()
}

fn root() -> Vec<u8> {
    attributes(1, 0, MODE_DIRECTORY)
}

fn file() -> Vec<u8> {
    attributes(FOUND_NODE, FILE_BYTES, MODE_FILE)
}

/// `struct fuse_attr`.
fn attributes(node: u64, bytes: u64, mode: u32) -> Vec<u8> {
    let mut out = vec![0; 88];
    out[..8].copy_from_slice(&node.to_le_bytes());
    out[8..16].copy_from_slice(&bytes.to_le_bytes());
    out[60..64].copy_from_slice(&mode.to_le_bytes());
    out[64..68].copy_from_slice(&2_u32.to_le_bytes());
    out
}
