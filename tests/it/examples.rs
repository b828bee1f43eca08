//! Each example does what it says.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::kit::{Scratch, pattern};

/// Where cargo has built an example: next to the directory of the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo test` builds it", path.display());
    path
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(example(name)).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let texts = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*texts.0, &*texts.1), (Some(code), stdout, stderr));
}

#[track_caller]
fn check_help(name: &str) {
    for flag in ["--help", "-h"] {
        let output = run(name, &[flag]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.starts_with(&format!("Usage: {name} ")), "{text}");
        check(&output, 0, &text, "");
    }
}

#[test]
fn hello_greets_twice() {
    check(&run("hello", &[]), 0, "hello from uring\nand hello again, from a task\n", "");
}

/// A program that is killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn echo_says_where_it_listens_and_sends_everything_back() {
    let child = Command::new(example("echo")).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut child = Running(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on ").unwrap();
    let streams = [(); 3].map(|()| TcpStream::connect(address).unwrap());
    for (number, mut stream) in streams.into_iter().enumerate() {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for bytes in [1, 5000, 100_000] {
            let message = pattern(number as u64, bytes);
            stream.write_all(&message).unwrap();
            let mut back = vec![0; bytes];
            stream.read_exact(&mut back).unwrap();
            assert!(back == message);
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "and ends with its client");
    }
}

#[test]
fn echo_serves_on_all_cores_until_a_signal_ends_it_in_order() {
    // The break: no `signals::watch` in `CoreThread::live`: the signal kills it.
    let mut command = Command::new(example("echo"));
    command.args(["127.0.0.1:0", "--cores", "all"]).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on ").unwrap();
    let mut streams = Vec::new();
    for number in 0..16 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let message = pattern(number, 1000);
        stream.write_all(&message).unwrap();
        let mut back = vec![0; message.len()];
        stream.read_exact(&mut back).unwrap();
        assert!(back == message);
        streams.push(stream);
    }
    let pid = nix::unistd::Pid::from_raw(child.0.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.0.wait().unwrap().success(), "it ends by itself, in order");
    for mut stream in streams {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection ends");
    }
}

#[test]
fn metrics_shows_the_figures_of_all_cores() {
    check_help("metrics");
    let mut command = Command::new(example("metrics"));
    command.args(["127.0.0.1:0", "--cores", "all"]).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut stream = TcpStream::connect(line.trim_end().strip_prefix("listening on ").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: me\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // The break: `for core in 0..1` in `figures` of the example, where there are several.
    let last = std::thread::available_parallelism().unwrap().get() - 1;
    let last = format!("uring_tasks{{core=\"{last}\"}} ");
    let lines = [
        "# TYPE uring_enters_total counter",
        "# TYPE uring_tasks gauge",
        "uring_tasks{core=\"0\"} ",
        "# TYPE uring_kernel_threads gauge",
        &last,
    ];
    for line in lines {
        assert!(answer.lines().any(|found| found.starts_with(line)), "no {line} in {answer}");
    }
    let pid = nix::unistd::Pid::from_raw(child.0.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn echo_explains_itself_and_what_is_wrong() {
    check_help("echo");
    let output = run("echo", &["nowhere"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("echo: nowhere: `nowhere` is not an IP address with a port"), "{text}");
    check(&output, 1, "", &text);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run("echo", &[&address]);
    check(&output, 1, "", &format!("echo: {address}: Address already in use (os error 98)\n"));
}

#[test]
fn cat_writes_files_one_after_the_other() {
    let scratch = Scratch::new();
    let [small, empty, large] =
        [&b"small\n"[..], b"", &pattern(1, 3_000_000)].map(|content| (content.len(), content.to_vec()));
    let paths = [("small", &small), ("empty", &empty), ("large", &large)]
        .map(|(name, (_, content))| scratch.file(name, content).to_str().unwrap().to_owned());
    let output = run("cat", &paths.each_ref().map(String::as_str));
    assert!(output.status.success());
    assert!(output.stdout == [small.1, empty.1, large.1].concat());
    assert_eq!(output.stderr, b"");
}

#[test]
fn cat_names_the_file_that_is_missing_and_writes_the_others() {
    check_help("cat");
    let scratch = Scratch::new();
    let path = scratch.file("a", "content").to_str().unwrap().to_owned();
    let output = run("cat", &[&path, "/no/such/file", &path]);
    check(&output, 1, "contentcontent", "cat: /no/such/file: No such file or directory (os error 2)\n");
    let output = run("cat", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("Usage: cat "));
}

#[test]
fn cat_ends_quietly_with_the_reader_of_its_pipe() {
    let child = Command::new(example("cat"))
        .arg("/dev/zero")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    child.0.stdout.take().unwrap().read_exact(&mut [0; 1000]).unwrap();
    let mut text = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.is_empty() || text.contains("Broken pipe"), "{text}");
    assert!(!child.0.wait().unwrap().success());
}

#[test]
fn cp_copies_a_hundred_megabytes_byte_for_byte() {
    let scratch = Scratch::new();
    // Not a multiple of the pieces that it is copied in, and no two pieces the same.
    let mut content = pattern(1, 1 << 20).repeat(100);
    content.truncate(100_000_001);
    content
        .chunks_mut(4096)
        .enumerate()
        .for_each(|(at, page)| page[..4].copy_from_slice(&(at as u32).to_le_bytes()));
    let from = scratch.file("from", &content);
    let to = scratch.file("to", vec![7; 1000]);
    let output = run("cp", &[from.to_str().unwrap(), to.to_str().unwrap()]);
    check(&output, 0, "", "");
    assert!(fs::read(to).unwrap() == content);
}

#[test]
fn cp_explains_itself_and_what_is_wrong() {
    check_help("cp");
    let scratch = Scratch::new();
    let empty = scratch.file("empty", "");
    let to = scratch.path("to");
    check(&run("cp", &[empty.to_str().unwrap(), to.to_str().unwrap()]), 0, "", "");
    assert_eq!(fs::read(&to).unwrap(), b"");
    let output = run("cp", &["/no/such/file", to.to_str().unwrap()]);
    check(&output, 1, "", "cp: /no/such/file: No such file or directory (os error 2)\n");
    let output = run("cp", &[to.to_str().unwrap(), "/no/such/directory/file"]);
    check(&output, 1, "", "cp: /no/such/directory/file: No such file or directory (os error 2)\n");
    let output = run("cp", &["one"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("Usage: cp "));
}
