//! The audit: what is outstanding is counted.

use std::time::Duration;

use uring_runtime::Audit;
use uring_runtime::task::spawn;
use uring_runtime::time::sleep;
use uring_sys_shim::opcode;

use crate::support::{Rig, Then, answer, deliver, file, only, poll, quiet, receiver};

/// The breaks: any line of `Core::audit` or `Driver::audit` left out.
#[test]
fn what_is_outstanding_is_counted_until_it_is_over() {
    let rig = Rig::new();
    let audit = || rig.runtime().audit();
    rig.run(async |_script| quiet().await);
    assert!(audit().is_clear(), "{:?}", audit());
    let (file, receiver) = rig.run(async |_script| (file(), receiver()));
    assert_eq!(audit().descriptors, 2);
    let mut read = Box::pin(file.read_at(vec![0; 8], 0));
    let mut recv = receiver.recv();
    let (mut timer, task) = rig.run(async |script| {
        assert!(poll(&mut read).is_pending() && poll(&mut recv).is_pending());
        let queued = audit();
        assert_eq!((queued.operations, queued.queued), (2, 2), "{queued:?}");
        quiet().await;
        answer(script, &only(script, opcode::READ), b"8 bytes!");
        assert!(deliver(script, &only(script, opcode::RECV), b"bytes", Then::More));
        let mut timer = Box::pin(sleep(Duration::from_secs(60)));
        assert!(poll(&mut timer).is_pending());
        let task = spawn(std::future::pending::<()>());
        quiet().await;
        (timer, task)
    });
    let all = audit();
    let counts = [all.operations, all.results, all.tasks, all.timers, all.buffers, all.descriptors];
    assert_eq!(counts, [1, 1, 1, 1, 1, 2], "{all:?}");
    drop((read, recv));
    drop((receiver, file));
    rig.run(async |_script| {
        task.abort();
        quiet().await;
        timer.as_mut().reset(uring_runtime::time::Instant::now());
        timer.await;
    });
    let left = audit();
    assert_eq!(Audit::default().queued, left.queued);
    rig.end();
}
