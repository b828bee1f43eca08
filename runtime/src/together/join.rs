//! `join!` and `try_join!`: waits for all.
//!
//! The macro gives each future a name and a number, and then writes out one loop. A future that has finished is dropped and
//! leaves its output in its place ([`Part`](super::Part)), so nothing is allocated and nothing is unsafe.

/// Waits for several futures in one task, and gives what they gave, as a tuple.
///
/// As that of tokio: the futures run concurrently, not in parallel, and for up to 32 of them. At each poll another one is
/// first, so that none uses up the task's budget for the others; with `biased;` before them they are always polled as they
/// stand there. For futures whose number is not known there is [`JoinSet`](crate::task::JoinSet).
///
/// # Cancel safety
///
/// When the task is dropped, so are the futures, and what finished ones gave: as cancel safe as all of them are.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// # uring_runtime::Runtime::new()?.block_on(async {
/// let (sum, text) = uring_runtime::join!(async { 1 + 2 }, async { "three" });
/// assert_eq!((sum, text), (3, "three"));
/// # });
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! join {
    (biased; $($futures:tt)*) => { $crate::__join!(@named @join InOrder $($futures)*) };
    ($($futures:tt)*) => { $crate::__join!(@named @join ByTurns $($futures)*) };
}

/// Waits for several futures that give a `Result`, in one task: for all of them, or for the first error.
///
/// As that of tokio: it gives `Ok` with a tuple of what they gave, or the first `Err`, and then the other futures are
/// dropped as they are. All have the same type of error. The order of polls is that of [`join!`](crate::join).
///
/// # Cancel safety
///
/// When the task is dropped, or one future fails, the others are dropped, and what finished ones gave: as cancel safe as
/// all of them are.
///
/// # Examples
///
/// ```no_run
/// # async fn demo() -> std::io::Result<()> {
/// use uring_runtime::fs::File;
///
/// let (from, to) = uring_runtime::try_join!(File::open("from"), File::create("to"))?;
/// # drop((from, to));
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! try_join {
    (biased; $($futures:tt)*) => { $crate::__join!(@named @try_join InOrder $($futures)*) };
    ($($futures:tt)*) => { $crate::__join!(@named @try_join ByTurns $($futures)*) };
}

/// The steps of `join!` and `try_join!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    // The names and numbers of the futures.
    (@named $($futures:tt)*) => {
        $crate::__join!(@each [
            (P0 0) (P1 1) (P2 2) (P3 3) (P4 4) (P5 5) (P6 6) (P7 7) (P8 8) (P9 9) (P10 10) (P11 11) (P12 12) (P13 13)
            (P14 14) (P15 15) (P16 16) (P17 17) (P18 18) (P19 19) (P20 20) (P21 21) (P22 22) (P23 23) (P24 24) (P25 25)
            (P26 26) (P27 27) (P28 28) (P29 29) (P30 30) (P31 31)
        ] {} $($futures)*)
    };

    // Each future gets one.
    (@each $names:tt {} @join $order:ident) => { () };
    (@each $names:tt {} @try_join $order:ident) => { ::std::result::Result::Ok(()) };
    (@each $names:tt {$($part:tt)+} @$kind:ident $order:ident) => { $crate::__join!(@$kind $order $($part)+) };
    (@each [] $parts:tt @$kind:ident $order:ident $($left:tt)+) => {
        ::std::compile_error!("uring: `join!` and `try_join!` take at most 32 futures; nest them, or use a `JoinSet`")
    };
    (@each [$name:tt $($names:tt)*] {$($part:tt)*} @$kind:ident $order:ident $future:expr $(, $($left:tt)*)?) => {
        $crate::__join!(@each [$($names)*] {$($part)* $name ($future)} @$kind $order $($($left)*)?)
    };

    (@join $order:ident $(($name:ident $number:tt) ($future:expr))+) => {{
        $(let $name = $future;)+
        $(let mut $name = ::std::pin::pin!($crate::together::Part::new($name));)+
        let mut order = $crate::together::$order::default();
        ::std::future::poll_fn(|cx| {
            let count = [$($number),+].len();
            let first = order.first(count);
            let mut waits = false;
            for turn in 0..count {
                match (first + turn) % count {
                    $($number => waits |= $name.as_mut().poll(cx).is_pending(),)+
                    _ => ::std::unreachable!(),
                }
            }
            if waits {
                return ::std::task::Poll::Pending;
            }
            ::std::task::Poll::Ready(($($name.as_mut().take(),)+))
        })
        .await
    }};

    (@try_join $order:ident $(($name:ident $number:tt) ($future:expr))+) => {{
        $(let $name = $future;)+
        $(let mut $name = ::std::pin::pin!($crate::together::Part::new($name));)+
        let mut order = $crate::together::$order::default();
        ::std::future::poll_fn(|cx| {
            let count = [$($number),+].len();
            let first = order.first(count);
            let mut waits = false;
            for turn in 0..count {
                match (first + turn) % count {
                    $($number => {
                        waits |= $name.as_mut().poll(cx).is_pending();
                        if let ::std::option::Option::Some(error) = $name.as_mut().take_error() {
                            return ::std::task::Poll::Ready(::std::result::Result::Err(error));
                        }
                    })+
                    _ => ::std::unreachable!(),
                }
            }
            if waits {
                return ::std::task::Poll::Pending;
            }
            ::std::task::Poll::Ready(::std::result::Result::Ok(($($name.as_mut().take_success(),)+)))
        })
        .await
    }};
}
