//! Multishot operations that end by themselves: each end is armed again or told, at whatever completion it comes.

use std::net::TcpListener;
use std::rc::Rc;

use uring_runtime::io::{Acceptor, Socket};
use uring_runtime::task::spawn;
use uring_sys_shim::opcode;

use crate::support::{Rig, Then, deliver, descriptor, only, poll, quiet, receiver};

/// How many completions come at most before the end.
const SHOTS: usize = 8;

/// What the user learns of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing: armed again.
    Nothing,
    /// The errno.
    Errno(i32),
    /// The end of the stream.
    End,
}

/// A receive that ends after `shots` completions with `res`, while a reader waits for more.
fn check_recv(shots: usize, res: i32, told: Told) {
    let context = format!("{shots} completions, then {res}");
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let reader = spawn(async move {
            let mut bytes = Vec::new();
            loop {
                match receiver.recv().await {
                    Ok(more) if more.is_empty() => return (bytes, Told::End),
                    Ok(more) => bytes.extend_from_slice(&more),
                    Err(error) => return (bytes, Told::Errno(error.raw_os_error().expect("an errno"))),
                }
            }
        });
        quiet().await;
        let first = only(script, opcode::RECV);
        let mut sent = Vec::new();
        for shot in 0..shots as u8 {
            assert!(deliver(script, &first, &[shot], Then::More));
            sent.push(shot);
            if shot % 2 == 0 {
                quiet().await;
            }
        }
        script.complete(&first, res);
        quiet().await;
        if told == Told::Nothing {
            let again = only(script, opcode::RECV);
            assert_ne!(again.user_data, first.user_data, "{context}: armed again");
            assert!(deliver(script, &again, b"more", Then::More));
            script.complete(&again, 0);
            sent.extend(b"more");
        }
        quiet().await;
        assert!(reader.is_finished(), "{context}: nobody told the reader");
        let end = if told == Told::Nothing { Told::End } else { told };
        assert_eq!(reader.await.expect("no panic"), (sent, end), "{context}");
    });
    rig.end();
}

/// C11. The breaks: `Inlet::ended` does not arm again after a cancel or an interruption, or wakes nobody after an error.
#[test]
fn a_receive_that_ends_at_any_completion_is_armed_again_or_told() {
    let errnos = [
        libc::ECONNRESET,
        libc::ECONNREFUSED,
        libc::ETIMEDOUT,
        libc::EPIPE,
        libc::ENOTCONN,
        libc::ENOTSOCK,
        libc::EBADF,
        libc::EFAULT,
        libc::EINVAL,
        libc::ENOMEM,
        libc::EIO,
        libc::EOVERFLOW,
        libc::EAGAIN,
        libc::EHOSTUNREACH,
    ];
    for shots in 0..=SHOTS {
        check_recv(shots, 0, Told::End);
        // −512 is the kernel's own ERESTARTSYS; ENOBUFS is answered by the pool.
        for quiet in [libc::ECANCELED, libc::EINTR, 512, libc::ENOBUFS] {
            check_recv(shots, -quiet, Told::Nothing);
        }
        for errno in errnos {
            check_recv(shots, -errno, Told::Errno(errno));
        }
    }
}

/// C11. The break: `Inlet::ended` drops the bytes of a last completion, or does not arm again behind them.
#[test]
fn a_receive_whose_last_completion_brings_bytes_is_armed_again() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        for round in 0..20 {
            let bytes = {
                let mut recv = receiver.recv();
                assert!(poll(&mut recv).is_pending());
                quiet().await;
                assert!(deliver(script, &only(script, opcode::RECV), &[round], Then::Last));
                quiet().await;
                recv.await.expect("bytes")
            };
            assert_eq!(&bytes[..], [round]);
        }
        assert_eq!(script.submitted_with(opcode::RECV).len(), 20);
    });
    rig.end();
}

/// An accept that ends after `shots` connections with `errno`, while one waits for more.
fn check_accept(shots: usize, errno: i32, told: Told) {
    let context = format!("{shots} connections, then errno {errno}");
    let rig = Rig::new();
    rig.run(async |script| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let acceptor = Rc::new(Acceptor::new(Socket::from_owned(listener.into()).fd().clone()));
        let told_so_far: crate::support::Log<Told> = Rc::default();
        let accepting = spawn({
            let (acceptor, told) = (Rc::clone(&acceptor), Rc::clone(&told_so_far));
            async move {
                let mut connections = 0;
                while connections <= shots {
                    match acceptor.accept().await {
                        Ok(_) => connections += 1,
                        Err(error) => {
                            told.borrow_mut().push(Told::Errno(error.raw_os_error().expect("an errno")));
                        }
                    }
                }
            }
        });
        quiet().await;
        let first = only(script, opcode::ACCEPT);
        for shot in 0..shots {
            script.complete_more(&first, descriptor().0);
            if shot % 2 == 0 {
                quiet().await;
            }
        }
        script.complete(&first, -errno);
        // Longer than the pause after a shortage.
        uring_runtime::time::sleep(std::time::Duration::from_millis(2)).await;
        let again = only(script, opcode::ACCEPT);
        assert_ne!(again.user_data, first.user_data, "{context}: armed again");
        script.complete_more(&again, descriptor().0);
        quiet().await;
        assert!(accepting.is_finished(), "{context}");
        let expected = if told == Told::Nothing { Vec::new() } else { vec![told] };
        assert_eq!(*told_so_far.borrow(), expected, "{context}");
        rig.close_descriptors();
    });
    rig.end();
}

/// C11, C8. The breaks: `Backlog::ended` leaves `armed`; `take_in` swallows an error.
#[test]
fn an_accept_that_ends_at_any_completion_is_armed_again_and_errors_are_told_once() {
    for shots in 0..=SHOTS {
        for errno in [libc::ECANCELED, libc::EINTR, libc::ECONNABORTED, libc::EPROTO] {
            check_accept(shots, errno, Told::Nothing);
        }
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EINVAL, libc::ENOTSOCK] {
            check_accept(shots, errno, Told::Errno(errno));
        }
    }
}

/// B6. The break: `Receiver::drop` does not cancel.
#[test]
fn a_receiver_that_goes_away_cancels_its_receive_also_when_nothing_comes() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        assert!(poll(&mut receiver.recv()).is_pending());
        quiet().await;
        let armed = only(script, opcode::RECV);
        drop(receiver);
        quiet().await;
        assert_eq!(script.cancelled(), [armed.user_data]);
    });
    rig.end();
}
