//! Rules about what may be named where: each thing has a home, and a table says which.

use super::scan::{File, Violation, find_name, imports, is_word, line_at};

/// Something that only some files may name.
pub(super) struct Home {
    /// The rule, as the violation reports it.
    pub(super) what: &'static str,
    pub(super) needles: &'static [Needle],
    /// Where the rule holds: beginnings of paths.
    pub(super) scope: &'static [&'static str],
    /// Who may, and why: a file, or with a `/` at its end a module (`a/` is `a.rs` and all below `a/`).
    pub(super) allowed: &'static [(&'static str, &'static str)],
}

/// What is looked for, in the code that ships.
pub(super) enum Needle {
    /// This path, in code or taken apart in an import; with `::` at its end, anything below it.
    Name(&'static str),
    /// Any function called as `module::function(…)`.
    Calls(&'static str),
    /// A value of this type made or taken apart, as `Type { … }` or with anything below `Type::`.
    Makes(&'static str),
}

/// Names that aren't at home in this file.
pub(super) fn strangers(file: &File, home: &Home) -> Vec<Violation> {
    let is_in_scope = home.scope.iter().any(|scope| file.path.starts_with(scope));
    if !is_in_scope || home.allowed.iter().any(|(allowed, _)| covers(allowed, &file.path)) {
        return Vec::new();
    }
    let violation = |(line, name): (usize, String)| file.violation(line, format!("`{name}`: {}", home.what));
    found(file, home.needles).into_iter().map(violation).collect()
}

/// Lines of the table that allow what isn't there any more.
pub(super) fn stale(files: &[File], homes: &[Home]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for home in homes {
        for (allowed, _) in home.allowed {
            let is_used =
                files.iter().any(|file| covers(allowed, &file.path) && !found(file, home.needles).is_empty());
            if !is_used {
                let what = format!("the table allows this for nothing: {}", home.what);
                violations.push(Violation { path: (*allowed).to_owned(), line: 1, what });
            }
        }
    }
    violations
}

fn covers(allowed: &str, path: &str) -> bool {
    match allowed.strip_suffix('/') {
        Some(module) => path.starts_with(allowed) || path.strip_suffix(".rs") == Some(module),
        None => path == allowed,
    }
}

/// The lines where the needles stand.
fn found(file: &File, needles: &[Needle]) -> Vec<(usize, String)> {
    let code = file.production();
    let mut found = Vec::new();
    for needle in needles {
        match needle {
            Needle::Name(name) => {
                found.extend(
                    find_name(&code, name).into_iter().map(|at| (line_at(&code, at), (*name).to_owned())),
                );
                let is_named = |(_, path): &(usize, String)| !find_name(path, name).is_empty();
                found.extend(
                    imports(&code).into_iter().filter(is_named).map(|(line, _)| (line, (*name).to_owned())),
                );
            }
            Needle::Calls(module) => found.extend(calls(&code, module)),
            Needle::Makes(name) => found.extend(makes(&code, name)),
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Where `module::function(` stands; types and constants of the module don't count.
fn calls(code: &str, module: &str) -> Vec<(usize, String)> {
    let prefix = format!("{module}::");
    let call = |at: usize| {
        let function = &code[at + prefix.len()..];
        let end = function.find(|c| !is_word(c))?;
        let is_call = function.starts_with(char::is_lowercase) && function[end..].starts_with('(');
        is_call.then(|| (line_at(code, at), format!("{prefix}{}", &function[..end])))
    };
    find_name(code, &prefix).into_iter().filter_map(call).collect()
}

/// Where `Type::` or a literal `Type {` stands; a function's return type or an `impl` before a block don't count.
fn makes(code: &str, name: &str) -> Vec<(usize, String)> {
    let is_made = |at: &usize| {
        let before = code[..*at].trim_end();
        let after = code[at + name.len()..].trim_start();
        let is_header = ["->", "impl", "for", "struct", "enum", "union", "trait"]
            .iter()
            .any(|word| before.ends_with(word));
        after.starts_with("::") || after.starts_with('{') && !is_header
    };
    let found = find_name(code, name).into_iter().filter(is_made);
    found.map(|at| (line_at(code, at), name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{File, Home, Needle, makes, stale, strangers};

    const HOME: Home = Home {
        what: "it lives elsewhere",
        needles: &[Needle::Name("std::net::TcpStream"), Needle::Name("Instant::now"), Needle::Calls("libc")],
        scope: &["runtime/src/"],
        allowed: &[("runtime/src/home.rs", "it lives here"), ("runtime/src/house/", "and here")],
    };

    fn lines(path: &str, text: &str) -> Vec<usize> {
        strangers(&File::new(path, text), &HOME).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_name_away_from_home_is_reported() {
        assert_eq!(lines("runtime/src/a.rs", "//! x\nlet t = std::time::Instant::now();"), [2]);
        assert_eq!(lines("runtime/src/a.rs", "use std::net::{self, TcpStream};"), [1]);
        assert_eq!(lines("runtime/src/a.rs", "std::net::TcpStream::connect()"), [1]);
    }

    #[test]
    fn a_name_at_home_or_out_of_scope_or_in_a_test_is_not() {
        let homes =
            ["runtime/src/home.rs", "runtime/src/house.rs", "runtime/src/house/a.rs", "benches/src/a.rs"];
        for path in homes {
            assert!(lines(path, "Instant::now()").is_empty(), "{path}");
        }
        assert!(
            lines("runtime/src/a.rs", "#[cfg(test)]\nmod tests { fn a() { Instant::now(); } }").is_empty()
        );
        assert!(
            lines("runtime/src/a.rs", "// Instant::now\nlet a = \"Instant::now\"; MyInstant::now()")
                .is_empty()
        );
    }

    #[test]
    fn a_system_call_is_told_from_a_constant() {
        assert_eq!(lines("runtime/src/a.rs", "let a: libc::c_int = libc::EINTR;\nlibc::close(3);"), [2]);
    }

    #[test]
    fn a_value_is_told_from_a_type() {
        let lines = |code| makes(code, "Sqe").into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("let a = Sqe::new();\nlet b = Sqe { fd, ..a };"), [1, 2]);
        assert!(lines("impl Sqe {}\nfn a(b: &Sqe) -> Sqe { b.c() }\nuse a::Sqe;").is_empty());
    }

    #[test]
    fn what_is_allowed_for_nothing_is_reported() {
        let files = [File::new("runtime/src/home.rs", "Instant::now()")];
        let found: Vec<String> = stale(&files, &[HOME]).into_iter().map(|violation| violation.path).collect();
        assert_eq!(found, ["runtime/src/house/"]);
    }
}
