//! From the compiler's tokens to kinds, and from the parts that were found to the function that is emitted.
//!
//! ```text
//! #[uring::main]                     fn main() -> ::uring::macro_support::Outcome {
//! async fn main() -> R { body }  →       async fn __uring_body() -> R { body }
//!                                        ::uring::macro_support::run(__uring_body())
//!                                    }
//! ```
//!
//! A `main` gets a return type of its own, because a runtime that cannot be built must be told to the shell and not
//! by a panic; a test keeps its return type.
//!
//! The body becomes an inner `async fn` and not an `async` block because its return type is then written down, so `?`
//! in the body infers exactly as it does in what the user wrote.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::options::{Options, options};
use crate::shape::{Fault, Kind, Shape, shape};

/// Which of the macros is expanded.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    Main,
    Test,
}

impl Entry {
    /// The name in messages.
    fn name(self) -> &'static str {
        match self {
            Entry::Main => "uring::main",
            Entry::Test => "uring::test",
        }
    }

    /// Only `main` itself can have its return type changed.
    fn check(self, shape: Shape, item: &[TokenTree]) -> Result<Shape, Fault> {
        let at = shape.name.end - 1;
        match self {
            Entry::Main if item[at].to_string() != "main" => {
                let text = "#[uring::main] is for the program's `main`; elsewhere use `Runtime::block_on`";
                Err(Fault::new(at, text.to_owned()))
            }
            Entry::Main | Entry::Test => Ok(shape),
        }
    }

    /// A test runs on one core.
    fn allow(self, options: Options) -> Result<Options, Fault> {
        match (self, &options.cores) {
            (Entry::Test, Some(cores)) => {
                let text = "#[uring::test] runs on one core; launch more with `Builder::cores`";
                Err(Fault::new(cores.start - 2, text.to_owned()))
            }
            _ => Ok(options),
        }
    }

    /// The function of `macro_support` that runs the body.
    fn runner(self) -> &'static str {
        match self {
            Entry::Main => "run",
            Entry::Test => "test",
        }
    }
}

/// Expands one attribute; every fault becomes a `compile_error!` at the token it is about.
pub(crate) fn expand(entry: Entry, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute: Vec<TokenTree> = attribute.into_iter().collect();
    let item = open_body(item);
    let mut emitted = TokenStream::new();
    // A bad option must not hide the function: the defaults take its place, so that the only error is the option's.
    let options = options(entry.name(), &kinds(&attribute)).and_then(|options| entry.allow(options));
    let options = options.unwrap_or_else(|fault| {
        emitted.extend(compile_error(&fault, &attribute));
        Options::default()
    });
    match shape(entry.name(), &kinds(&item)).and_then(|shape| entry.check(shape, &item)) {
        Ok(shape) => {
            let path = crate_path(&options, &attribute);
            let cores = options.cores.map(|range| attribute[range].to_vec());
            emitted.extend(function(entry, path, cores, &item, shape));
        }
        Err(fault) => {
            emitted.extend(compile_error(&fault, &item));
            // What isn't `async` is a sound item by itself; without it, errors about its absence would follow.
            if !item
                .iter()
                .any(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "async"))
            {
                emitted.extend(item);
            }
        }
    }
    emitted
}

/// The item's tokens; a body that a `macro_rules!` macro passed on as `$body:block` is taken out of its wrapping.
fn open_body(item: TokenStream) -> Vec<TokenTree> {
    let mut item: Vec<TokenTree> = item.into_iter().collect();
    while let Some(TokenTree::Group(group)) = item.last()
        && group.delimiter() == Delimiter::None
    {
        let inner = group.stream();
        item.pop();
        item.extend(inner);
    }
    item
}

fn kinds(tokens: &[TokenTree]) -> Vec<Kind> {
    let kind = |token: &TokenTree| match token {
        TokenTree::Ident(word) => Kind::Word(word.to_string()),
        TokenTree::Punct(mark) => Kind::Mark(mark.as_char()),
        TokenTree::Literal(literal) => Kind::Literal(literal.to_string()),
        TokenTree::Group(group) => match group.delimiter() {
            Delimiter::Parenthesis => Kind::Parens { empty: group.stream().is_empty() },
            Delimiter::Bracket => Kind::Brackets(group.stream().to_string()),
            Delimiter::Brace => Kind::Braces,
            Delimiter::None => Kind::Fragment,
        },
    };
    tokens.iter().map(kind).collect()
}

/// `::uring`, or the path that the options name.
fn crate_path(options: &Options, attribute: &[TokenTree]) -> TokenStream {
    match &options.crate_path {
        Some(range) => attribute[range.clone()].iter().cloned().collect(),
        None => path(&["uring"]),
    }
}

/// The function without `async`, whose body runs the inner `async fn`.
fn function(
    entry: Entry,
    crate_path: TokenStream,
    cores: Option<Vec<TokenTree>>,
    item: &[TokenTree],
    shape: Shape,
) -> TokenStream {
    let body_name = Ident::new("__uring_body", Span::call_site());
    let signature = &item[shape.signature];

    let mut block = TokenStream::new();
    block.extend([ident("async"), ident("fn"), TokenTree::from(body_name.clone())]);
    block.extend(signature.iter().cloned());
    block.extend([item[shape.body].clone()]);
    block.extend(crate_path.clone());
    let arguments = match cores {
        // On many cores the body is called once on each.
        Some(cores) => {
            block.extend(path(&["macro_support", "run_on"]));
            cores.into_iter().chain([mark(',', Spacing::Alone), TokenTree::from(body_name)]).collect()
        }
        None => {
            block.extend(path(&["macro_support", entry.runner()]));
            [TokenTree::from(body_name), group(Delimiter::Parenthesis, TokenStream::new())]
                .into_iter()
                .collect()
        }
    };
    block.extend([group(Delimiter::Parenthesis, arguments)]);

    let mut function = TokenStream::new();
    if let Entry::Test = entry {
        let test = path(&["core", "prelude", "v1", "test"]);
        function.extend([mark('#', Spacing::Alone), group(Delimiter::Bracket, test)]);
    }
    function.extend(item[shape.front].iter().cloned());
    function.extend(item[shape.name].iter().cloned());
    match entry {
        Entry::Main => function.extend(outcome(crate_path)),
        Entry::Test => function.extend(signature.iter().cloned()),
    }
    function.extend([group(Delimiter::Brace, block)]);
    function
}

/// `() -> ::uring::macro_support::Outcome`.
fn outcome(crate_path: TokenStream) -> TokenStream {
    let mut signature = TokenStream::from(group(Delimiter::Parenthesis, TokenStream::new()));
    signature.extend([mark('-', Spacing::Joint), mark('>', Spacing::Alone)]);
    signature.extend(crate_path);
    signature.extend(path(&["macro_support", "Outcome"]));
    signature
}

/// `::core::compile_error! { "text" }`, at the token that the fault is about.
fn compile_error(fault: &Fault, tokens: &[TokenTree]) -> TokenStream {
    let span = tokens.get(fault.at).map_or_else(Span::call_site, TokenTree::span);
    let text = TokenTree::from(Literal::string(&fault.text));
    let mut error = path(&["core", "compile_error"]);
    error.extend([mark('!', Spacing::Alone), group(Delimiter::Brace, TokenStream::from(text))]);
    respan(error, span)
}

/// Gives every token the span, groups and what is in them included.
fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    let respan_one = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::from(Group::new(group.delimiter(), respan(group.stream(), span)));
        }
        token.set_span(span);
        token
    };
    tokens.into_iter().map(respan_one).collect()
}

/// `::a::b`.
fn path(segments: &[&str]) -> TokenStream {
    segments
        .iter()
        .flat_map(|segment| [mark(':', Spacing::Joint), mark(':', Spacing::Alone), ident(segment)])
        .collect()
}

fn ident(word: &str) -> TokenTree {
    Ident::new(word, Span::call_site()).into()
}

fn mark(mark: char, spacing: Spacing) -> TokenTree {
    Punct::new(mark, spacing).into()
}

fn group(delimiter: Delimiter, inner: TokenStream) -> TokenTree {
    Group::new(delimiter, inner).into()
}
