//! The shape of an annotated item: where in its tokens the parts of an `async fn` are.
//!
//! It sees tokens only as [`Kind`]s and answers with positions, so it runs, and is tested, outside of the compiler.
//! It must not know spans, token trees or what is emitted.

use std::ops::Range;

/// What a top-level token of an item or of the attribute's options is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Word(String),
    /// One character of punctuation.
    Mark(char),
    /// `(…)`, and whether nothing stands in it.
    Parens { empty: bool },
    /// `[…]`, with its text.
    Brackets(String),
    /// `{…}`.
    Braces,
    /// A group without delimiters: a fragment such as `$vis` that a `macro_rules!` macro passed on.
    Fragment,
    /// A literal, with its text.
    Literal(String),
}

impl Kind {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self, Kind::Word(text) if text == word)
    }

    pub(crate) fn is_mark(&self, mark: char) -> bool {
        *self == Kind::Mark(mark)
    }
}

/// Why the tokens can't be used, and the token to point at; one past the last token means the attribute itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// An `async fn` in parts: `attributes visibility async fn name() -> R { … }`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Attributes and visibility: everything before `async`.
    pub(crate) front: Range<usize>,
    /// `fn` and the name.
    pub(crate) name: Range<usize>,
    /// From the parentheses to the body: the parentheses, the return type, a `where` clause.
    pub(crate) signature: Range<usize>,
    /// The block.
    pub(crate) body: usize,
}

/// Finds the parts of an `async fn`; `attribute` is the name by which messages call the macro.
pub(crate) fn shape(attribute: &str, tokens: &[Kind]) -> Result<Shape, Fault> {
    let attributes_end = skip_attributes(attribute, tokens)?;
    let front_end = skip_visibility(tokens, attributes_end);
    let fn_at = find_fn(attribute, tokens, front_end)?;
    let open_at = check_parameters(attribute, tokens, fn_at + 2)?;
    let body = tokens.len() - 1;
    if tokens[body] != Kind::Braces || body == open_at {
        let text = format!("#[{attribute}] found no body to run: give the function a block, `{{ … }}`");
        return Err(Fault::new(body, text));
    }
    Ok(Shape { front: 0..front_end, name: fn_at..fn_at + 2, signature: open_at..body, body })
}

/// The position after the attributes. A second test attribute would run the test twice, so it is a fault.
fn skip_attributes(attribute: &str, tokens: &[Kind]) -> Result<usize, Fault> {
    let mut at = 0;
    while let Some([Kind::Mark('#'), Kind::Brackets(text)]) = tokens.get(at..at + 2) {
        if attribute.ends_with("::test") && text == "test" {
            let text = format!("#[{attribute}] adds #[test] by itself: remove the second #[test]");
            return Err(Fault::new(at + 1, text));
        }
        at += 2;
    }
    Ok(at)
}

/// The position after `pub`, `pub(…)`, or a `$vis` that a macro passed on.
fn skip_visibility(tokens: &[Kind], at: usize) -> usize {
    match tokens.get(at..) {
        Some([Kind::Fragment, ..]) => at + 1,
        Some([word, Kind::Parens { .. }, ..]) if word.is_word("pub") => at + 2,
        Some([word, ..]) if word.is_word("pub") => at + 1,
        _ => at,
    }
}

/// The position of `fn`, which `async` and nothing else must precede.
fn find_fn(attribute: &str, tokens: &[Kind], start: usize) -> Result<usize, Fault> {
    let mut at = start;
    let mut is_async = false;
    while let Some(Kind::Word(word)) = tokens.get(at) {
        match word.as_str() {
            "async" => is_async = true,
            "fn" if is_async => return Ok(at),
            "fn" => {
                let text =
                    format!("#[{attribute}] runs a future, and this function has none: write `async fn`");
                return Err(Fault::new(at, text));
            }
            "const" | "unsafe" | "extern" => {
                if !tokens[at..].iter().any(|token| token.is_word("fn")) {
                    break;
                }
                let text = format!("#[{attribute}] takes a plain `async fn`: remove `{word}`");
                return Err(Fault::new(at, text));
            }
            _ => break,
        }
        at += 1;
    }
    let text = format!("#[{attribute}] stands on something else than a function: put it on an `async fn`");
    Err(Fault::new(start, text))
}

/// The position of the empty parentheses, which must follow the name directly.
fn check_parameters(attribute: &str, tokens: &[Kind], at: usize) -> Result<usize, Fault> {
    match tokens.get(at) {
        Some(Kind::Parens { empty: true }) => Ok(at),
        Some(Kind::Parens { empty: false }) => {
            let text = format!(
                "#[{attribute}] has no arguments to pass: remove the parameters and get what you need in the body"
            );
            Err(Fault::new(at, text))
        }
        Some(Kind::Mark('<')) => {
            let text = format!("#[{attribute}] can't choose type arguments: remove the generic parameters");
            Err(Fault::new(at, text))
        }
        _ => Err(Fault::new(at, format!("#[{attribute}] expected `()` after the function's name"))),
    }
}

/// Reads the tokens that a test writes as text; words and marks are separated by spaces, groups are whole.
#[cfg(test)]
pub(crate) fn kinds(text: &str) -> Vec<Kind> {
    text.split_whitespace()
        .map(|token| match (token.chars().next().expect("split gives no empty text"), token.len()) {
            ('(', length) => Kind::Parens { empty: length == 2 },
            ('[', length) => Kind::Brackets(token[1..length - 1].to_owned()),
            ('{', _) => Kind::Braces,
            ('$', _) => Kind::Fragment,
            ('"' | '0'..='9', _) => Kind::Literal(token.to_owned()),
            (first, _) if first.is_alphanumeric() || first == '_' => Kind::Word(token.to_owned()),
            (first, _) => Kind::Mark(first),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Shape, kinds, shape};

    fn parts(text: &str) -> Shape {
        shape("uring::main", &kinds(text)).expect("the function is in order")
    }

    fn fault(text: &str) -> (usize, String) {
        let fault = shape("uring::test", &kinds(text)).expect_err("the function isn't in order");
        (fault.at, fault.text)
    }

    #[test]
    fn a_bare_function_is_taken_apart() {
        let expected = Shape { front: 0..0, name: 1..3, signature: 3..4, body: 4 };
        assert_eq!(parts("async fn main () {}"), expected);
    }

    #[test]
    fn attributes_and_visibility_stay_in_front() {
        let expected = Shape { front: 0..6, name: 7..9, signature: 9..13, body: 13 };
        assert_eq!(parts("# [doc] # [ignore] pub (crate) async fn main () - > R {}"), expected);
        assert_eq!(parts("pub async fn main () {}").front, 0..1);
        assert_eq!(parts("$vis async fn main () {}").front, 0..1);
    }

    #[test]
    fn return_type_and_where_clause_belong_to_the_signature() {
        let expected = Shape { front: 0..0, name: 1..3, signature: 3..14, body: 14 };
        assert_eq!(parts("async fn main () - > Result < () > where A : B {}"), expected);
    }

    #[test]
    fn a_function_that_is_not_async_is_told_so() {
        let (at, text) = fault("pub fn main () {}");
        assert_eq!(at, 1);
        assert!(text.contains("write `async fn`"), "{text}");
    }

    #[test]
    fn parameters_and_generics_are_refused_where_they_stand() {
        assert!(fault("async fn main (args) {}").1.contains("remove the parameters"));
        assert_eq!(fault("async fn main (args) {}").0, 3);
        assert!(fault("async fn main < T > () {}").1.contains("generic parameters"));
        assert!(fault("async unsafe fn main () {}").1.contains("remove `unsafe`"));
    }

    #[test]
    fn what_is_not_a_function_is_refused() {
        for item in ["struct S {}", "mod a {}", "const A : u8 = 1 ;", "", "macro ! {}"] {
            assert!(fault(item).1.contains("something else than a function"), "{item}");
        }
    }

    #[test]
    fn a_missing_body_is_refused() {
        assert!(fault("async fn main () ;").1.contains("no body"));
        assert!(fault("async fn main ()").1.contains("no body"));
        assert!(fault("async fn main").1.contains("expected `()`"));
    }

    #[test]
    fn a_second_test_attribute_is_refused() {
        assert!(fault("# [test] async fn a () {}").1.contains("second #[test]"));
    }
}
