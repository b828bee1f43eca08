//! A future of a `join!`, and its output in the same place once it has finished.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled beside others until all have finished. It is dropped as soon as it has finished itself.
    pub struct Part<F: Future> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = Now]
    enum Stage<F: Future> {
        Waits { #[pin] future: F },
        // Empty once the output was taken.
        Done { output: Option<F::Output> },
    }
}

impl<F: Future> Part<F> {
    /// Nothing is polled yet.
    pub fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self { stage: Stage::Waits { future: future.into_future() } }
    }

    /// Polls the future unless it has finished. Ready when it has.
    #[inline]
    pub fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut stage = self.project().stage;
        let Now::Waits { future } = stage.as_mut().project() else { return Poll::Ready(()) };
        future.poll(cx).map(|output| stage.set(Stage::Done { output: Some(output) }))
    }

    /// Takes what the future gave.
    ///
    /// # Panics
    ///
    /// When it has not finished, and when that was taken already.
    pub fn take(self: Pin<&mut Self>) -> F::Output {
        self.output()
            .and_then(Option::take)
            .expect("invariant: a `join!` takes the outputs once, when all are there")
    }

    fn output(self: Pin<&mut Self>) -> Option<&mut Option<F::Output>> {
        match self.project().stage.project() {
            Now::Waits { .. } => None,
            Now::Done { output } => Some(output),
        }
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Part<F> {
    /// Takes the error, if the future has finished with one.
    #[inline]
    pub fn take_error(self: Pin<&mut Self>) -> Option<E> {
        self.output()?.take_if(|output| output.is_err())?.err()
    }

    /// Takes what a future gave that did not fail.
    ///
    /// # Panics
    ///
    /// As [`take`](Part::take), and when it has failed.
    pub fn take_success(self: Pin<&mut Self>) -> T {
        match self.take() {
            Ok(output) => output,
            Err(_) => unreachable!("invariant: a `try_join!` is over at the first error"),
        }
    }
}
