//! Files whose operations go to the kernel's threads at once.

use uring_runtime::fs::OpenOptions;
use uring_sys_shim::{Script, Sqe, opcode};

use crate::support::{Rig, descriptor, only, poll, quiet};

const ALL: [u8; 5] = [opcode::OPENAT, opcode::READ, opcode::WRITE, opcode::FSYNC, opcode::STATX];

/// Notes the kind of the one submission if it says that a thread of the kernel is to do it from the start, and ends it.
fn note(script: &Script, code: u8, result: i32, offloaded: &mut Vec<u8>) {
    let sqe = only(script, code);
    offloaded.extend((sqe.flags & Sqe::ASYNC != 0).then_some(code));
    script.complete(&sqe, result);
}

/// Opens a file and does one operation of each kind. Gives the kinds that were offloaded.
fn offloaded(offload: bool) -> Vec<u8> {
    let rig = Rig::new();
    let mut found = Vec::new();
    rig.run(async |script| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).offload(offload);
        let mut open = Box::pin(options.open("/no/such/file"));
        assert!(poll(&mut open).is_pending());
        quiet().await;
        let (made, _peer) = descriptor();
        note(script, opcode::OPENAT, made, &mut found);
        let file = open.await.expect("it is open");
        let mut read = Box::pin(file.read_at(vec![0; 8], 0));
        let mut write = Box::pin(file.write_at(vec![0; 8], 0));
        let mut sync = Box::pin(file.sync_all());
        let mut ask = Box::pin(file.metadata());
        assert!(poll(&mut read).is_pending() && poll(&mut write).is_pending());
        assert!(poll(&mut sync).is_pending() && poll(&mut ask).is_pending());
        quiet().await;
        for (code, result) in ALL.into_iter().zip([0, 0, 8, 0, 0]).skip(1) {
            note(script, code, result, &mut found);
        }
        assert!(read.await.0.is_ok() && write.await.0.is_ok());
        assert!(sync.await.is_ok() && ask.await.is_ok());
    });
    rig.end();
    found
}

/// C13. The break: no `sqe.flags` in the entry of any of the five operations.
#[test]
fn every_operation_on_an_offloaded_file_goes_to_a_thread_of_the_kernel() {
    assert_eq!(offloaded(true), ALL);
    assert_eq!(offloaded(false), []);
}
