//! Rules about what stands on the page: headers and sizes, imports, features, marks of unfinished work, and what the
//! documentation must say.

use super::scan::{File, Violation, closing, find_name, functions, imports, line_at};

pub(super) fn too_long(file: &File, lines_max: usize) -> Vec<Violation> {
    let lines = file.text.lines().count();
    let what =
        format!("{lines} lines, of at most {lines_max}: find the second concept in it and give it a file");
    if lines > lines_max { vec![file.violation(lines_max, what)] } else { Vec::new() }
}

pub(super) fn without_header(file: &File) -> Vec<Violation> {
    let what = "the first line is no `//!` that says what the file is";
    if file.text.starts_with("//! ") { Vec::new() } else { vec![file.violation(1, what)] }
}

pub(super) fn functions_too_long(file: &File, lines_max: usize) -> Vec<Violation> {
    let too_long = |function: super::scan::Function<'_>| {
        let lines = function.line_last - function.line + 1;
        let what = format!("`{}` has {lines} lines, of at most {lines_max}", function.name);
        (lines > lines_max).then(|| file.violation(function.line, what))
    };
    functions(&file.code).into_iter().filter_map(too_long).collect()
}

/// `use …::*`, except for `use super::*` in tests.
pub(super) fn globs(file: &File) -> Vec<Violation> {
    let production = file.production();
    let in_production: Vec<usize> =
        imports(&production).into_iter().filter(is_glob).map(|(line, _)| line).collect();
    let is_wrong = |(line, path): &(usize, String)| path != "super::*" || in_production.contains(line);
    let globs = imports(&file.code).into_iter().filter(is_glob).filter(is_wrong);
    globs.map(|(line, path)| file.violation(line, format!("`use {path}`: name what is used"))).collect()
}

fn is_glob((_, path): &(usize, String)) -> bool {
    path == "*" || path.ends_with("::*")
}

/// `cfg` on a feature inside of a function: a feature chooses a module or a crate, at one line.
pub(super) fn features_in_functions(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for body in functions(&file.code).into_iter().filter_map(|function| function.body) {
        for name in ["cfg", "cfg_attr"] {
            for at in find_name(&file.code[body.clone()], name) {
                let at = body.start + at;
                let rest = file.code[at + name.len()..].trim_start_matches(['!', ' ']);
                let open = file.code.len() - rest.len();
                let is_feature =
                    || !find_name(&file.code[open..closing(&file.code, open)], "feature").is_empty();
                if rest.starts_with('(') && is_feature() {
                    violations.push(
                        file.violation(line_at(&file.code, at), "a feature is asked inside a function"),
                    );
                }
            }
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

/// Comments and macros that mark unfinished work or debugging.
pub(super) fn unfinished(file: &File) -> Vec<Violation> {
    let in_comments = ["TODO", "FIXME"].map(|mark| (mark, &file.comments));
    let in_code = ["dbg!", "todo!", "unimplemented!"].map(|mark| (mark, &file.code));
    let mut violations = Vec::new();
    for (mark, view) in in_comments.into_iter().chain(in_code) {
        let lines = find_name(view, mark).into_iter().map(|at| line_at(view, at));
        violations
            .extend(lines.map(|line| file.violation(line, format!("`{mark}`: finish it or leave it out"))));
    }
    violations
}

/// Public async functions whose documentation doesn't say what a dropped future does.
pub(super) fn without_cancel_safety(file: &File) -> Vec<Violation> {
    let code = file.production();
    let is_public_async = |function: &super::scan::Function<'_>| {
        let mut qualifiers = function.qualifiers.split_whitespace();
        let is_public = qualifiers.next() == Some("pub");
        let returns = function.signature.rsplit_once("->").map_or("", |(_, returns)| returns);
        let returns_future =
            returns.trim_start().starts_with("impl ") && !find_name(returns, "Future").is_empty();
        is_public && (qualifiers.any(|word| word == "async") || returns_future)
    };
    let found = functions(&code).into_iter().filter(is_public_async);
    let silent = found
        .filter(|function| !docs_above(file, function.line).any(|line| line.contains("# Cancel safety")));
    silent
        .map(|function| {
            file.violation(function.line, format!("`{}` has no `# Cancel safety` section", function.name))
        })
        .collect()
}

/// The comments above a line, up to the item before it.
fn docs_above(file: &File, line: usize) -> impl Iterator<Item = &str> {
    let above: Vec<(&str, &str)> = file.comments.lines().zip(file.code.lines()).take(line - 1).collect();
    let is_item_end = |code: &str| code.trim().ends_with([';', '{', '}']);
    above.into_iter().rev().take_while(move |(_, code)| !is_item_end(code)).map(|(comment, _)| comment)
}

/// Examples that the README doesn't name.
pub(super) fn not_in_readme(example: &File, readme: &str) -> Vec<Violation> {
    if readme.contains(&example.path) {
        return Vec::new();
    }
    vec![example.violation(1, format!("README.md doesn't name `{}`", example.path))]
}

#[cfg(test)]
mod tests {
    use super::{File, Violation};

    fn lines(rule: impl Fn(&File) -> Vec<Violation>, text: &str) -> Vec<usize> {
        rule(&File::new("src/a.rs", text)).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_long_file_is_reported() {
        assert!(lines(|file| super::too_long(file, 2), "a\nb\n").is_empty());
        assert_eq!(lines(|file| super::too_long(file, 2), "a\nb\nc\n"), [2]);
    }

    #[test]
    fn a_file_without_a_header_is_reported() {
        assert!(lines(super::without_header, "//! A file.\n").is_empty());
        assert_eq!(lines(super::without_header, "// A file.\n//! x\n"), [1]);
        assert_eq!(lines(super::without_header, ""), [1]);
    }

    #[test]
    fn a_long_function_is_reported() {
        let text = "fn a() {\n}\n\nimpl A {\n    pub fn b(\n    ) {\n        '{';\n    }\n}\n";
        assert!(lines(|file| super::functions_too_long(file, 4), text).is_empty());
        assert_eq!(lines(|file| super::functions_too_long(file, 3), text), [5]);
    }

    #[test]
    fn a_glob_is_reported() {
        assert_eq!(lines(super::globs, "use a::*;\npub use b::{c, d::*};\nuse super::*;"), [1, 2, 3]);
        assert_eq!(lines(super::globs, "#[cfg(test)]\nmod tests {\nuse super::*;\nuse b::*;\n}"), [4]);
        assert!(lines(super::globs, "use a::b; // use c::*;\nlet d = e::f * 2;").is_empty());
    }

    #[test]
    fn a_feature_inside_a_function_is_reported() {
        assert_eq!(lines(super::features_in_functions, "fn a() {\n#[cfg(feature = \"b\")]\nb();\n}"), [2]);
        assert_eq!(lines(super::features_in_functions, "fn a() { cfg!(any(test, feature = \"b\")) }"), [1]);
        assert!(
            lines(super::features_in_functions, "#[cfg(feature = \"b\")]\nfn a() { cfg!(test) }").is_empty()
        );
    }

    #[test]
    fn unfinished_work_is_reported() {
        let text = format!("a(); // {}: b\n/* {} */\ndbg!(a);\ntodo!()\nunimplemented!()", "TODO", "FIXME");
        assert_eq!(lines(super::unfinished, &text), [1, 2, 3, 4, 5]);
        assert!(lines(super::unfinished, "let a = \"TODO\"; my_todo!(); TODO_LIST").is_empty());
    }

    #[test]
    fn an_async_function_that_hides_its_cancel_safety_is_reported() {
        let rule = super::without_cancel_safety;
        assert_eq!(lines(rule, "/// # Cancel safety\npub struct A;\n\n/// B.\npub async fn b() {}"), [5]);
        assert_eq!(lines(rule, "pub fn a() -> impl Future<Output = ()> {}"), [1]);
        assert!(lines(rule, "/// # Cancel safety\n///\n/// Yes.\n#[inline]\npub async fn b() {}").is_empty());
        assert!(
            lines(rule, "pub(crate) async fn a() {}\nasync fn b() {}\npub fn c(f: impl Future) -> u8 {}")
                .is_empty()
        );
    }

    #[test]
    fn an_example_that_the_readme_lacks_is_reported() {
        let example = File::new("examples/echo.rs", "//! Echo.");
        assert!(super::not_in_readme(&example, "| [echo](examples/echo.rs) |").is_empty());
        assert_eq!(super::not_in_readme(&example, "# uring").len(), 1);
    }
}
