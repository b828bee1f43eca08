//! The spans and events, as `console-subscriber` 0.5 takes them.

use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::panics::contain;

/// The number of the span that stands for a task, if anybody listens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark(Option<u64>);

impl Mark {
    /// Tells that the task was woken.
    pub(crate) fn woken(self) {
        let Some(id) = self.0 else { return };
        // A wake is called from anywhere, and the panic of who listens goes no further. By reference, because a wake by
        // value counts as a waker that is gone.
        contain(|| tracing::trace!(target: "tokio::task::waker", op = "waker.wake_by_ref", task.id = id));
    }
}

/// The marks of a core's tasks, by their places. That of a task that is gone stays until the place has another one: its
/// span is closed, and events that name it are passed over.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    pub(crate) fn set(&mut self, index: u32, mark: Mark) {
        let index = index as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, Mark::default());
        }
        self.0[index] = mark;
    }

    pub(crate) fn at(&self, index: u32) -> Mark {
        self.0.get(index as usize).copied().unwrap_or_default()
    }
}

/// Tasks that were woken while something was borrowed, and are told of afterwards.
#[derive(Debug, Default)]
pub(crate) struct Woken(Vec<Mark>);

impl Woken {
    pub(crate) fn add(&mut self, mark: Mark) {
        self.0.push(mark);
    }

    pub(crate) fn tell(self) {
        self.0.into_iter().for_each(Mark::woken);
    }
}

/// Tasks since the process began: what people call a task by that has no name.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Puts a future into a span of its own, and gives what its wakes are told with.
pub(crate) fn watch<F: Future>(
    kind: &str,
    name: Option<&str>,
    spawned: &Location<'_>,
    future: F,
) -> (Watched<F>, Mark) {
    let span = tracing::trace_span!(
        target: "tokio::task",
        parent: None,
        "runtime.spawn",
        kind,
        task.name = name.unwrap_or_default(),
        task.id = NUMBER.fetch_add(1, Ordering::Relaxed),
        size.bytes = size_of::<F>() as u64,
        loc.file = spawned.file(),
        loc.line = u64::from(spawned.line()),
        loc.col = u64::from(spawned.column()),
    );
    let mark = Mark(span.id().map(|id| id.into_u64()));
    (Watched { future, span }, mark)
}

pin_project! {
    /// A future whose polls are told. Its span is closed after it was dropped.
    pub(crate) struct Watched<F> {
        #[pin]
        future: F,
        span: Span,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _polled = this.span.enter();
        this.future.poll(cx)
    }
}
