//! Rules about unsafe code: where it may stand, and that each block says why it is sound.

use super::scan::{File, Violation, find_name, line_at};

/// Files with `unsafe` that the table doesn't list.
pub(super) fn unlisted(file: &File, table: &[(&str, &str)]) -> Vec<Violation> {
    let is_listed = table.iter().any(|(path, _)| *path == file.path);
    let first = find_name(&file.code, "unsafe").first().copied().filter(|_| !is_listed);
    first
        .map(|at| file.violation(line_at(&file.code, at), "unsafe code outside of the list"))
        .into_iter()
        .collect()
}

/// Lines of the table about files without `unsafe`, or without a reason.
pub(super) fn stale(files: &[File], table: &[(&str, &str)]) -> Vec<Violation> {
    let is_stale = |(path, reason): &&(&str, &str)| {
        let has_unsafe = |file: &File| file.path == *path && !find_name(&file.code, "unsafe").is_empty();
        reason.is_empty() || !files.iter().any(has_unsafe)
    };
    let what = "the table lists this file, but it has no unsafe code or no reason";
    let violation = |(path, _): &(&str, &str)| Violation { path: (*path).into(), line: 1, what: what.into() };
    table.iter().filter(is_stale).map(violation).collect()
}

/// The root of a crate that may not have unsafe code and doesn't forbid it.
pub(super) fn forbids_unsafe(root: &File) -> Vec<Violation> {
    let is_forbidden = root.code.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
    let what = "this crate has no unsafe code: write #![forbid(unsafe_code)]";
    if is_forbidden { Vec::new() } else { vec![root.violation(1, what)] }
}

/// Blocks and `unsafe impl`s without a `// SAFETY:` of their own directly above them or their statement.
pub(super) fn without_safety_comment(file: &File) -> Vec<Violation> {
    let mut claimed = Vec::new();
    let mut violations = Vec::new();
    for at in find_name(&file.code, "unsafe") {
        let rest = file.code[at + "unsafe".len()..].trim_start();
        if !rest.starts_with('{') && find_name(rest, "impl").first() != Some(&0) {
            continue;
        }
        let statement = file.code[..at].rfind([';', '{', '}']).map_or(0, |end| end + 1);
        let statement =
            statement + file.code[statement..at].find(|c: char| !c.is_whitespace()).unwrap_or(at - statement);
        let comment = [at, statement].into_iter().find_map(|at| safety_above(file, line_at(&file.code, at)));
        match comment {
            Some(line) if !claimed.contains(&line) => claimed.push(line),
            _ => {
                let line = line_at(&file.code, at);
                violations.push(file.violation(line, "no `// SAFETY:` of its own directly above"));
            }
        }
    }
    violations
}

/// The line of the `SAFETY:` in the comments and attributes directly above a line.
fn safety_above(file: &File, line: usize) -> Option<usize> {
    let comments: Vec<&str> = file.comments.lines().collect();
    let code: Vec<&str> = file.code.lines().collect();
    for above in (0..line - 1).rev() {
        let (comment, code) = (comments[above].trim(), code[above].trim());
        let is_comment = !comment.is_empty() && code.is_empty();
        if is_comment && comment.starts_with("// SAFETY:") {
            return Some(above + 1);
        }
        let is_attribute = code.starts_with("#[") && code.ends_with(']');
        if !is_comment && !is_attribute {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{File, forbids_unsafe, stale, unlisted, without_safety_comment};

    fn lines(text: &str) -> Vec<usize> {
        without_safety_comment(&File::new("a.rs", text)).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn unsafe_code_outside_of_the_list_is_reported() {
        let file = File::new("a.rs", "//! x\nunsafe { f() }");
        assert_eq!(unlisted(&file, &[("b.rs", "why")])[0].line, 2);
        assert!(unlisted(&file, &[("a.rs", "why")]).is_empty());
        assert!(unlisted(&File::new("a.rs", "// unsafe\n#![deny(unsafe_code)] \"unsafe\""), &[]).is_empty());
    }

    #[test]
    fn a_listed_file_without_unsafe_code_is_reported() {
        let files = [File::new("a.rs", "f()"), File::new("b.rs", "unsafe fn f() {}")];
        assert_eq!(stale(&files, &[("a.rs", "why"), ("b.rs", "why"), ("gone.rs", "why")]).len(), 2);
        assert_eq!(stale(&files, &[("b.rs", "")]).len(), 1);
    }

    #[test]
    fn a_safe_crate_that_does_not_forbid_unsafe_code_is_reported() {
        assert!(forbids_unsafe(&File::new("lib.rs", "//! x\n#![forbid(unsafe_code)]\n")).is_empty());
        assert_eq!(forbids_unsafe(&File::new("lib.rs", "// #![forbid(unsafe_code)]")).len(), 1);
    }

    #[test]
    fn a_block_without_a_safety_comment_is_reported() {
        assert_eq!(lines("fn a() {\n    unsafe { f() }\n}"), [2]);
        assert_eq!(lines("// SAFETY: far away\n\nunsafe impl Send for A {}"), [3]);
        assert_eq!(lines("// Safe, trust me.\nunsafe impl Send for A {}"), [2]);
    }

    #[test]
    fn two_blocks_can_not_share_a_safety_comment() {
        assert_eq!(lines("// SAFETY: both\nunsafe impl Send for A {}\nunsafe impl Sync for A {}"), [3]);
        assert_eq!(lines("// SAFETY: both\nlet a = unsafe { f() } + unsafe { g() };"), [2]);
    }

    #[test]
    fn a_comment_above_the_block_or_its_statement_will_do() {
        assert!(lines("// SAFETY: a\n// and more\n#[cold]\nunsafe { f() }").is_empty());
        assert!(lines("// SAFETY: a\nlet a =\n    unsafe { f() };").is_empty());
        assert!(lines("g(\n// SAFETY: a\nunsafe { f() },\n// SAFETY: b\nunsafe { f() })").is_empty());
    }

    #[test]
    fn declarations_need_no_safety_comment() {
        assert!(lines("unsafe fn f() {}\nunsafe trait T {}\n#[unsafe(no_mangle)]\nfn g() {}").is_empty());
    }
}
