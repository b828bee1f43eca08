//! `select!`: waits for the first.
//!
//! The macro reads one branch after the other and gives each a name and a number; then it writes out one loop. The futures
//! are pinned in a block of their own, and only what one of them gave leaves that block: so they are gone before a handler
//! runs, and the handlers stand in the user's function, where `?`, `break` and `return` mean what they always do.

/// Waits for several futures in one task until the first is ready, drops the others, and runs that one's handler.
///
/// ```text
/// select! {
///     biased;                                        // optional
///     <pattern> = <future> => <handler>,
///     <pattern> = <future>, if <condition> => <handler>,
///     else => <expression>,                          // optional
/// }
/// ```
///
/// The syntax and the meaning are tokio's, for up to 32 branches:
///
/// 1. The conditions are evaluated. A branch whose condition is false is disabled.
/// 2. The futures are made, those of disabled branches too, which are never polled.
/// 3. They are polled. What the first one gives that is ready is matched with its pattern. If it fits, all futures are
///    dropped, and the handler runs; its value is that of the macro. If it does not fit, it is dropped, and its branch is
///    disabled.
/// 4. When no branch is left, the `else` branch runs.
///
/// Handlers, futures and conditions may use `?`, `break`, `continue` and `return` of the function around; handlers may
/// borrow mutably what the futures borrowed.
///
/// # Fairness
///
/// Which branch is polled first is left to the core's generator at each poll, so that one that is always ready does not
/// keep the others from their turn. [`Builder::seed`](crate::Builder::seed) makes it decide alike in each run. With
/// `biased;` the branches are polled as they stand there, and fairness is yours: put what ends the loop first.
///
/// It asks for the task's budget, and takes nothing of it: a loop over branches that are always ready lets others run as
/// soon as their results have used it up ([`consume_budget`](crate::task::consume_budget)).
///
/// # Cancel safety
///
/// The futures of the branches that did not win are dropped. Those of this crate say what is lost then; waiting `accept`,
/// `recv`, `read`, timers and receivers of channels lose nothing. To go on with a future instead, pin it outside and pass
/// `&mut future`. The macro itself keeps nothing between two uses.
///
/// # Panics
///
/// When all branches are disabled and there is no `else`.
///
/// # Examples
///
/// ```no_run
/// use uring_runtime::select;
/// use uring_runtime::time::{Duration, interval};
///
/// # async fn demo(mut jobs: uring_runtime::local::mpsc::Receiver<u32>) {
/// let mut beat = interval(Duration::from_secs(1));
/// let stop = uring_runtime::shutdown_token();
/// loop {
///     select! {
///         () = stop.cancelled() => break,
///         Some(job) = jobs.recv() => println!("job {job}"),
///         _ = beat.tick() => println!("still here"),
///     }
/// }
/// # }
/// ```
#[macro_export]
macro_rules! select {
    () => { ::std::compile_error!("uring: `select!` needs at least one branch") };
    (biased;) => { ::std::compile_error!("uring: `select!` needs at least one branch") };
    (biased; $($branches:tt)+) => { $crate::__select!(@named InOrder $($branches)+) };
    ($($branches:tt)+) => { $crate::__select!(@named ByChance $($branches)+) };
}

/// The steps of `select!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // The names and numbers of the branches.
    (@named $order:ident $($branches:tt)+) => {
        $crate::__select!(@each $order [
            (B0 0) (B1 1) (B2 2) (B3 3) (B4 4) (B5 5) (B6 6) (B7 7) (B8 8) (B9 9) (B10 10) (B11 11) (B12 12) (B13 13)
            (B14 14) (B15 15) (B16 16) (B17 17) (B18 18) (B19 19) (B20 20) (B21 21) (B22 22) (B23 23) (B24 24) (B25 25)
            (B26 26) (B27 27) (B28 28) (B29 29) (B30 30) (B31 31)
        ] {} $($branches)+)
    };

    // Each branch gets one.
    (@each $order:ident $names:tt {} else => $else:expr $(,)?) => { $else };
    (@each $order:ident $names:tt {$($branch:tt)+} else => $else:expr $(,)?) => {
        $crate::__select!(@run $order ($else) $($branch)+)
    };
    (@each $order:ident $names:tt {$($branch:tt)+}) => {
        $crate::__select!(@run $order (::std::panic!(
            "uring: all branches of a `select!` are disabled, and it has no `else` branch"
        )) $($branch)+)
    };
    (@each $order:ident $names:tt $branches:tt else $($left:tt)*) => {
        ::std::compile_error!("uring: the last branch of a `select!` may be `else => <expression>`, and nothing follows it")
    };
    (@each $order:ident [] $branches:tt $($left:tt)+) => {
        ::std::compile_error!("uring: `select!` takes at most 32 branches; nest them, or use a channel")
    };
    // A handler that is a block needs no comma behind it.
    (@each $order:ident $names:tt $branches:tt $pattern:pat = $future:expr, if $condition:expr => $handler:block, $($left:tt)*) => {
        $crate::__select!(@add $order $names $branches (($pattern) ($future) ($condition) ($handler)) $($left)*)
    };
    (@each $order:ident $names:tt $branches:tt $pattern:pat = $future:expr => $handler:block, $($left:tt)*) => {
        $crate::__select!(@add $order $names $branches (($pattern) ($future) (true) ($handler)) $($left)*)
    };
    (@each $order:ident $names:tt $branches:tt $pattern:pat = $future:expr, if $condition:expr => $handler:block $($left:tt)*) => {
        $crate::__select!(@add $order $names $branches (($pattern) ($future) ($condition) ($handler)) $($left)*)
    };
    (@each $order:ident $names:tt $branches:tt $pattern:pat = $future:expr => $handler:block $($left:tt)*) => {
        $crate::__select!(@add $order $names $branches (($pattern) ($future) (true) ($handler)) $($left)*)
    };
    (@each $order:ident $names:tt $branches:tt $pattern:pat = $future:expr, if $condition:expr => $handler:expr $(, $($left:tt)*)?) => {
        $crate::__select!(@add $order $names $branches (($pattern) ($future) ($condition) ($handler)) $($($left)*)?)
    };
    (@each $order:ident $names:tt $branches:tt $pattern:pat = $future:expr => $handler:expr $(, $($left:tt)*)?) => {
        $crate::__select!(@add $order $names $branches (($pattern) ($future) (true) ($handler)) $($($left)*)?)
    };
    (@add $order:ident [$name:tt $($names:tt)*] {$($branch:tt)*} $new:tt $($left:tt)*) => {
        $crate::__select!(@each $order [$($names)*] {$($branch)* $name $new} $($left)*)
    };

    (@run $order:ident ($else:expr)
        $(($name:ident $number:tt) (($pattern:pat) ($future:expr) ($condition:expr) ($handler:expr)))+
    ) => {{
        // A module, so that nothing that the user names can mean what is in it.
        mod __uring_select {
            pub(super) enum Won<$($name),+> {
                $($name($name),)+
                Nobody,
            }
        }
        let mut enabled = [$($condition),+];
        let won = {
            $(let $name = $future;)+
            $(let mut $name = ::std::pin::pin!(::std::future::IntoFuture::into_future($name));)+
            let mut order = $crate::together::$order::default();
            ::std::future::poll_fn(|cx| {
                ::std::task::ready!($crate::together::poll_proceed(cx));
                let count = enabled.len();
                let first = order.first(count);
                let mut waits = false;
                for turn in 0..count {
                    match (first + turn) % count {
                        $($number => {
                            if !enabled[$number] {
                                continue;
                            }
                            let ::std::task::Poll::Ready(given) = ::std::future::Future::poll($name.as_mut(), cx) else {
                                waits = true;
                                continue;
                            };
                            enabled[$number] = false;
                            let mut fits = false;
                            // The guard sees what fits, and by being false leaves what was given in its place.
                            #[allow(unused, unreachable_code, clippy::all, reason = "it binds what only the handler uses")]
                            match given {
                                $pattern if { fits = true; false } => ::std::unreachable!(),
                                _ => {}
                            }
                            if fits {
                                return ::std::task::Poll::Ready(__uring_select::Won::$name(given));
                            }
                        })+
                        _ => ::std::unreachable!(),
                    }
                }
                if waits {
                    return ::std::task::Poll::Pending;
                }
                ::std::task::Poll::Ready(__uring_select::Won::Nobody)
            })
            .await
        };
        match won {
            $(__uring_select::Won::$name($pattern) => $handler,)+
            __uring_select::Won::Nobody => $else,
            #[allow(unreachable_patterns, reason = "a pattern that always fits leaves nothing")]
            _ => ::std::unreachable!("invariant: what won fits its pattern"),
        }
    }};
}
