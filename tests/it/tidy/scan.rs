//! The scanner: a source file without its comments and strings, and the functions and imports in it.
//!
//! It isn't a parser. It knows just enough of Rust's surface (comments, strings, characters, lifetimes, matching
//! braces) to never mistake prose for code, and rules build on that. It knows no rule.

use std::fmt;
use std::ops::Range;

/// One thing that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    pub(super) path: String,
    /// Counted from one.
    pub(super) line: usize,
    pub(super) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A source file in three views with the same lines.
pub(super) struct File {
    /// Relative to the root of the workspace.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments and the insides of strings and characters blanked.
    pub(super) code: String,
    /// The text with all but the comments blanked.
    pub(super) comments: String,
}

impl File {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let (code, comments) = split(&text);
        Self { path, text, code, comments }
    }

    pub(super) fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, what: what.into() }
    }

    /// The code that ships: without items under `#[cfg(test)]`, and nothing of a file of tests.
    pub(super) fn production(&self) -> String {
        let is_test = self.path.starts_with("tests/") || self.path.contains("/tests/");
        if is_test || self.path.ends_with("/tests.rs") {
            return blank(&self.code, 0..self.code.len());
        }
        let mut code = self.code.clone();
        for attribute in ["#[cfg(test)]", "#[cfg(all(test,"] {
            while let Some(start) = code.find(attribute) {
                let end = item_end(&code, start);
                code = blank(&code, start..end);
            }
        }
        code
    }
}

/// The position after the item at `start`, attributes included.
fn item_end(code: &str, start: usize) -> usize {
    let mut at = start;
    while code[at..].trim_start().starts_with("#[") {
        let open = at + code[at..].find('[').expect("the text was just seen");
        at = closing(code, open) + 1;
    }
    match body_or_end(code, at) {
        Some(open) if code.as_bytes()[open] == b'{' => closing(code, open) + 1,
        Some(semicolon) => semicolon + 1,
        None => code.len(),
    }
}

/// Replaces all but line breaks in the range by spaces.
fn blank(code: &str, range: Range<usize>) -> String {
    let blanks = code[range.clone()].chars().map(|c| if c == '\n' { '\n' } else { ' ' });
    code[..range.start].chars().chain(blanks).chain(code[range.end..].chars()).collect()
}

/// Separates code and comments.
fn split(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < chars.len() {
        let comment_end = comment_end(&chars, at);
        let literal = literal_inside(&chars, at);
        let end = comment_end.or_else(|| literal.as_ref().map(|inside| inside.end)).unwrap_or(at + 1);
        for (i, &c) in chars.iter().enumerate().take(end).skip(at) {
            let is_code = comment_end.is_none() && literal.as_ref().is_none_or(|inside| !inside.contains(&i));
            code.push(if is_code || c == '\n' { c } else { ' ' });
            comments.push(if comment_end.is_some() || c == '\n' { c } else { ' ' });
        }
        // The closing quote is copied with the literal, else it would be taken for an opening one.
        at = end;
        if let Some(close) = literal.and(chars.get(end)) {
            code.push(*close);
            comments.push(' ');
            at += 1;
        }
    }
    (code, comments)
}

/// Where the comment that starts here ends, if one does.
fn comment_end(chars: &[char], at: usize) -> Option<usize> {
    let pair = |at: usize| (chars.get(at).copied(), chars.get(at + 1).copied());
    match pair(at) {
        (Some('/'), Some('/')) => {
            Some(chars[at..].iter().position(|&c| c == '\n').map_or(chars.len(), |length| at + length))
        }
        (Some('/'), Some('*')) => {
            let (mut depth, mut end) = (1_usize, at + 2);
            while depth > 0 && end < chars.len() {
                match pair(end) {
                    (Some('/'), Some('*')) => (depth, end) = (depth + 1, end + 2),
                    (Some('*'), Some('/')) => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            Some(end)
        }
        _ => None,
    }
}

/// The inside of the string or the character that starts here, if one does; its end is the closing quote.
fn literal_inside(chars: &[char], at: usize) -> Option<Range<usize>> {
    let quoted = |quote: char| {
        let mut end = at + 1;
        while end < chars.len() && chars[end] != quote {
            end += if chars[end] == '\\' { 2 } else { 1 };
        }
        at + 1..end.min(chars.len())
    };
    match chars[at] {
        '"' => Some(quoted('"')),
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => Some(quoted('\'')),
        'r' if is_prefix(chars, at) => {
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            let start = at + 1 + hashes + 1;
            if chars.get(start - 1) != Some(&'"') {
                return None;
            }
            let is_end = |&end: &usize| {
                chars[end] == '"'
                    && chars[end + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
            };
            Some(start..(start..chars.len()).find(is_end).unwrap_or(chars.len()))
        }
        _ => None,
    }
}

/// Whether the `r` here can start a raw string: it doesn't end a longer word, except in `br"…"` and `cr"…"`.
fn is_prefix(chars: &[char], at: usize) -> bool {
    let is_word_at = |at: usize| chars.get(at).is_some_and(|&c| is_word(c));
    match at.checked_sub(1) {
        Some(before) if matches!(chars[before], 'b' | 'c') => before == 0 || !is_word_at(before - 1),
        Some(before) => !is_word_at(before),
        None => true,
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The number of the line, from one, that holds the position.
pub(super) fn line_at(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Where a path or a name stands as itself and not as part of a longer name.
pub(super) fn find_name(code: &str, name: &str) -> Vec<usize> {
    let is_whole = |at: &usize| {
        let before = code[..*at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && (!name.ends_with(is_word) || !after.is_some_and(is_word))
    };
    code.match_indices(name).map(|(at, _)| at).filter(is_whole).collect()
}

/// The bracket that closes the one at `open`, or the end of the code.
pub(super) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len() - 1
}

/// The `{` or `;` that ends what starts at `start`, outside of parentheses and brackets.
fn body_or_end(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' | ';' if depth == 0 => return Some(start + at),
            _ => {}
        }
    }
    None
}

/// A function, with or without a body.
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    /// The line where its visibility or `fn` stands.
    pub(super) line: usize,
    pub(super) line_last: usize,
    /// What stands before `fn`: `pub`, `async`, ….
    pub(super) qualifiers: &'a str,
    /// From the name to the body.
    pub(super) signature: &'a str,
    /// The body, braces included.
    pub(super) body: Option<Range<usize>>,
}

/// The functions in code that [`File`] has cleaned.
pub(super) fn functions(code: &str) -> Vec<Function<'_>> {
    let function = |at: usize| {
        let name_at = at + 2 + code[at + 2..].find(|c: char| !c.is_whitespace())?;
        let name_end = name_at + code[name_at..].find(|c| !is_word(c))?;
        if name_at == name_end {
            return None; // the type of a function, `fn(…)`
        }
        let front = code[..at].rfind([';', '{', '}', ']']).map_or(0, |end| end + 1);
        let start = front + code[front..at].find(|c: char| !c.is_whitespace()).unwrap_or(at - front);
        let end = body_or_end(code, name_end)?;
        let body = (code.as_bytes()[end] == b'{').then(|| end..closing(code, end) + 1);
        Some(Function {
            name: &code[name_at..name_end],
            line: line_at(code, start),
            line_last: line_at(code, body.as_ref().map_or(end, |body| body.end - 1)),
            qualifiers: code[start..at].trim(),
            signature: &code[name_at..end],
            body,
        })
    };
    find_name(code, "fn").into_iter().filter_map(function).collect()
}

/// The paths that `use` brings in, trees taken apart, each with the line of its `use`.
pub(super) fn imports(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for at in find_name(code, "use") {
        let tree = code[at + 3..].split(';').next().unwrap_or_default();
        if tree.starts_with(char::is_whitespace) {
            let line = line_at(code, at);
            flatten("", tree, &mut |path| paths.push((line, path)));
        }
    }
    paths
}

/// Takes one level of a tree of imports apart.
fn flatten(prefix: &str, tree: &str, push: &mut dyn FnMut(String)) {
    let mut start = 0;
    let mut depth = 0_usize;
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let part = tree[start..at].trim();
                match part.split_once('{') {
                    Some((path, rest)) => {
                        let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
                        flatten(&format!("{prefix}{}", path.trim()), inner, push);
                    }
                    None if part.is_empty() => {}
                    None => push(format!("{prefix}{part}")),
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{File, find_name, functions, imports};

    fn code(text: &str) -> String {
        File::new("a.rs", text).code
    }

    #[test]
    fn comments_are_no_code() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c */ d */ e"), format!("a {} e", " ".repeat(17)));
        assert_eq!(File::new("a.rs", "a // b\nc").comments, "  // b\n ");
    }

    #[test]
    fn strings_and_characters_are_no_code() {
        assert_eq!(code(r#"f("a\"b", 'c')"#), r#"f("    ", ' ')"#);
        assert_eq!(code(r"('\'', '{', '\u{7f}')"), r"('  ', ' ', '      ')");
        assert_eq!(code("r#\"a\"b\"# x"), "r#\"   \"# x");
        assert_eq!(code("br\"\\\" x"), "br\" \" x");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code("r#type + for_r"), "r#type + for_r");
    }

    #[test]
    fn tests_are_not_production() {
        let file = File::new("src/a.rs", "a();\n#[cfg(test)]\n#[x]\nmod tests { fn b() { c() } }\nd();");
        let production = file.production();
        assert!(production.contains("a()") && production.contains("d()") && !production.contains("c()"));
        assert!(!File::new("src/a/tests.rs", "c()").production().contains('c'));
    }

    #[test]
    fn names_are_found_whole() {
        assert_eq!(find_name("Hash::new NewHash::new Hash::newer", "Hash::new"), [0]);
        assert_eq!(find_name("libc::a xlibc::a", "libc::"), [0]);
    }

    #[test]
    fn functions_are_found_with_their_extent() {
        let code = "#[x]\npub async fn a(f: fn(u8), g: [u8; { 1 }])\n-> R {\n{}\n}\ntrait T { fn b(); }";
        let found = functions(code);
        let [a, b] = &found[..] else { panic!("two functions are there") };
        assert_eq!((a.name, a.line, a.line_last, a.qualifiers), ("a", 2, 5, "pub async"));
        assert!(a.signature.ends_with("-> R "), "{}", a.signature);
        assert_eq!((b.name, b.body.is_none()), ("b", true));
    }

    #[test]
    fn imports_are_taken_apart() {
        let paths: Vec<String> = imports("use a::{b, c::{d, *}};\nfn f() -> impl T + use<> {}")
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        assert_eq!(paths, ["a::b", "a::c::d", "a::c::*"]);
    }
}
