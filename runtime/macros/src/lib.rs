//! The attribute macros of `uring`: [`macro@main`] and [`macro@test`].
//!
//! Each takes an `async fn` apart just far enough to run it: `async` goes, and the body becomes an inner `async fn`
//! that the runtime drives. The crate uses nothing but the compiler's own `proc_macro`, so that a
//! program which depends on `uring` doesn't build a parser of Rust first. It knows no runtime: what it emits calls
//! `uring::macro_support`, and that is its whole contract with the rest.
//!
//! `shape` finds the parts of a function and `options` those of the attribute; neither touches a token of the
//! compiler, so both have ordinary unit tests. `expand` joins them with the compiler's tokens.
#![forbid(unsafe_code)]

mod expand;
mod options;
mod shape;

use proc_macro::TokenStream;

/// Runs the program's `async fn main` on a runtime.
///
/// The runtime is built with the defaults on the calling thread, runs the body to its end and then shuts down. What
/// the body returns becomes the exit code, as for an ordinary `main`. When the runtime cannot be built, the program
/// exits with code 1 and a text that names cause and cure.
///
/// # Options
///
/// | option         | meaning                                                          | default   |
/// |----------------|------------------------------------------------------------------|-----------|
/// | `crate = path` | where the macro finds the `uring` crate, if it has another name  | `::uring` |
///
/// # Errors
///
/// It doesn't compile, with a message that names the cause and the cure, if the item isn't a plain `async fn` with a
/// body and without parameters, or if an option is unknown.
///
/// # Examples
///
/// ```ignore
/// #[uring::main]
/// async fn main() -> std::io::Result<()> {
///     let stream = uring::net::TcpStream::connect("127.0.0.1:7").await?;
///     drop(stream);
///     Ok(())
/// }
/// ```
///
/// For a crate that re-exports `uring`:
///
/// ```ignore
/// #[uring::main(crate = my_server::uring)]
/// async fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(expand::Entry::Main, options, item)
}

/// Makes an `async fn` a test that runs on a runtime of its own.
///
/// It stands in the place of `#[test]` and adds that attribute by itself; `#[ignore]` and `#[should_panic]` work as
/// ever, and a test may return a `Result`. Its options and its demands on the function are those of [`macro@main`].
///
/// # Examples
///
/// ```ignore
/// #[uring::test]
/// async fn a_sleep_of_nothing_ends() -> std::io::Result<()> {
///     uring::time::sleep(std::time::Duration::ZERO).await;
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(expand::Entry::Test, options, item)
}
