//! Rules about the mutants' data: each fits the code as it is, and names a test that exists. It breaks nothing itself;
//! the harness in `benches/src/mutants` does.

use std::collections::BTreeSet;

use super::scan::{File, Violation};

/// Mutants whose name is taken, whose text is not exactly once in its file, or whose test does not exist.
pub(super) fn stale(path: &str, text: &str, files: &[File], names: &mut BTreeSet<String>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut report = |what| violations.push(Violation { path: path.to_owned(), line: 1, what });
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            report(format!("is no TOML: {error}"));
            return violations;
        }
    };
    let mutants = table.get("mutant").and_then(toml::Value::as_array);
    if mutants.is_none_or(Vec::is_empty) {
        report("has no mutants".to_owned());
    }
    for mutant in mutants.into_iter().flatten() {
        let name = word(mutant, "name");
        if !names.insert(name.to_owned()) {
            report(format!("a second mutant is named {name}"));
        }
        let also = mutant.get("also").and_then(toml::Value::as_array);
        for edit in [mutant].into_iter().chain(also.into_iter().flatten()) {
            let (file, find) = (word(edit, "file"), word(edit, "find"));
            match files.iter().find(|known| known.path == file) {
                None => report(format!("{name}: there is no {file}")),
                Some(known) => match known.text.matches(find).count() {
                    1 if !find.is_empty() => {}
                    count => report(format!("{name}: its text is {count} times in {file}")),
                },
            }
        }
        let test = word(mutant, "test").rsplit([' ', ':']).next().unwrap_or_default();
        let head = format!("fn {test}(");
        if test.is_empty() || !files.iter().any(|known| known.code.contains(&head)) {
            report(format!("{name}: there is no test {test}"));
        }
    }
    violations
}

fn word<'a>(table: &'a toml::Value, key: &str) -> &'a str {
    table.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mutant: &str) -> usize {
        let files = [File::new("a.rs", "one two two\nfn seen() {}\n// fn unseen() {}\n")];
        stale("x.toml", mutant, &files, &mut BTreeSet::new()).len()
    }

    fn mutant(file: &str, find: &str, test: &str) -> String {
        format!("[[mutant]]\nname = 'n'\nfile = '{file}'\nfind = '{find}'\ntest = '{test}'\n")
    }

    #[test]
    fn a_mutant_that_fits_is_fine() {
        assert_eq!(count(&mutant("a.rs", "one", "-p x m::seen")), 0);
    }

    #[test]
    fn mutants_that_do_not_fit_are_reported() {
        assert_eq!(count(&mutant("b.rs", "one", "-p x m::seen")), 1, "no such file");
        assert_eq!(count(&mutant("a.rs", "two", "-p x m::seen")), 1, "twice");
        assert_eq!(count(&mutant("a.rs", "three", "-p x m::seen")), 1, "nowhere");
        assert_eq!(count(&mutant("a.rs", "one", "-p x m::unseen")), 1, "no such test");
        assert_eq!(count(&mutant("a.rs", "one", "m::seen").repeat(2)), 1, "one name twice");
        assert_eq!(count("[[mutant"), 1, "no TOML");
        assert_eq!(count(""), 1, "nothing");
    }
}
