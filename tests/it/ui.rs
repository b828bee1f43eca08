//! Programs that must not compile, and what the compiler says then: `tests/ui`. And the types that stay on their core.
//!
//! After a change of a message on purpose, `TRYBUILD=overwrite cargo test --test it ui` writes the new ones.

use uring::buf::{RecvBuf, Slice};
use uring::fs::{File, OpenOptions};
use uring::local::{
    Mutex, MutexGuard, Notified, Notify, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard,
    OwnedSemaphorePermit, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit, broadcast,
    mpsc, oneshot, watch,
};
use uring::net::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpListenerOptions, TcpStream};
use uring::time::{Elapsed, Instant, Interval, Sleep, Timeout};
use uring::{BuildError, Features, JoinError, JoinHandle, Runtime, SetupError, Stats};

#[test]
fn what_would_be_unsound_or_misused_does_not_compile() {
    // Hazards A5, A17 and D4, and the misuse of the attribute macros.
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// Compiles only if the type is neither `Send` nor `Sync`: otherwise two implementations fit, and neither is chosen.
macro_rules! stays_on_its_core {
    ($($kind:ty),* $(,)?) => {$(
        const _: fn() = || {
            trait Chosen<Which> {
                fn choose() {}
            }
            impl<T: ?Sized> Chosen<()> for T {}
            impl<T: ?Sized + Send> Chosen<u8> for T {}
            impl<T: ?Sized + Sync> Chosen<u16> for T {}
            <$kind as Chosen<_>>::choose();
        };
    )*};
}

// Hazard D4, for every type that has to do with a ring.
stays_on_its_core!(
    Runtime,
    JoinHandle<()>,
    File,
    TcpStream,
    TcpListener,
    OwnedReadHalf,
    OwnedWriteHalf,
    RecvBuf,
    Slice<RecvBuf>,
    Sleep,
    Timeout<()>,
    Interval,
);

// The same for what belongs to a core because it has no atomics.
stays_on_its_core!(
    oneshot::Sender<()>,
    oneshot::Receiver<()>,
    mpsc::Sender<()>,
    mpsc::Receiver<()>,
    mpsc::Permit<'static, ()>,
    mpsc::OwnedPermit<()>,
    mpsc::UnboundedSender<()>,
    mpsc::UnboundedReceiver<()>,
    watch::Sender<()>,
    watch::Receiver<()>,
    watch::Ref<'static, ()>,
    broadcast::Sender<()>,
    broadcast::Receiver<()>,
    Notify,
    Notified<'static>,
    Semaphore,
    SemaphorePermit<'static>,
    OwnedSemaphorePermit,
    Mutex<()>,
    MutexGuard<'static, ()>,
    OwnedMutexGuard<()>,
    RwLock<()>,
    RwLockReadGuard<'static, ()>,
    RwLockWriteGuard<'static, ()>,
    OwnedRwLockReadGuard<()>,
    OwnedRwLockWriteGuard<()>,
);

const fn goes_anywhere<T: Send + Sync + 'static>() {}

// Errors and plain values go wherever they like.
const _: () = {
    goes_anywhere::<BuildError>();
    goes_anywhere::<SetupError>();
    goes_anywhere::<JoinError>();
    goes_anywhere::<Elapsed>();
    goes_anywhere::<Instant>();
    goes_anywhere::<Stats>();
    goes_anywhere::<Features>();
    goes_anywhere::<OpenOptions>();
    goes_anywhere::<TcpListenerOptions>();
    goes_anywhere::<Slice<Vec<u8>>>();
};
