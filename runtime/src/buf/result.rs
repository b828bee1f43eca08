//! A result that brings its buffer back, whatever happened.

use std::io;

/// The result of an operation together with the buffer that it used.
///
/// ```
/// # use uring_runtime::buf::BufResult;
/// # fn demo(read: BufResult<usize, Vec<u8>>) -> std::io::Result<()> {
/// // Either both, by pattern …
/// let BufResult(result, buf) = read;
/// # let read = BufResult(result, buf);
/// // … or with `?`, which drops the buffer when there is an error.
/// let (bytes, buf) = read.into_result()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "this may be an error, and it holds the buffer"]
pub struct BufResult<T, B>(
    /// What came of the operation.
    pub io::Result<T>,
    /// The buffer.
    pub B,
);

impl<T, B> BufResult<T, B> {
    /// The value and the buffer, or the error alone.
    ///
    /// # Errors
    ///
    /// The operation's error; the buffer is dropped.
    pub fn into_result(self) -> io::Result<(T, B)> {
        match self.0 {
            Ok(value) => Ok((value, self.1)),
            Err(error) => Err(error),
        }
    }

    /// The same result with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> BufResult<U, B> {
        BufResult(self.0.map(change), self.1)
    }

    /// The same result with another buffer, such as what a slice was made of.
    pub fn map_buf<C>(self, change: impl FnOnce(B) -> C) -> BufResult<T, C> {
        BufResult(self.0, change(self.1))
    }

    /// Whether the operation succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.0.is_ok()
    }
}

impl<T, B> From<(io::Result<T>, B)> for BufResult<T, B> {
    fn from((result, buf): (io::Result<T>, B)) -> Self {
        Self(result, buf)
    }
}
