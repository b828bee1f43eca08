//! The rule that the table of guarantees names only tests that there are, and every hazard that it must speak of.

use super::scan::{File, Violation};

/// Names of tests in backticks in `text`, each with its line, that no file has a test function for.
pub(super) fn without_test(path: &str, text: &str, files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_test_name(name)) {
            let declaration = format!("fn {name}(");
            if !files.iter().any(|file| file.code.contains(&declaration)) {
                let what = format!("`{name}` is no test");
                violations.push(Violation { path: path.to_owned(), line: at + 1, what });
            }
        }
    }
    violations
}

/// Tests are named as sentences.
fn is_test_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    name.bytes().all(is_word) && name.matches('_').count() >= 3
}

/// Hazards (a letter and how many there are) without a row of their own.
pub(super) fn without_row(path: &str, text: &str, hazards: &[(char, u32)]) -> Vec<Violation> {
    let numbers = hazards.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| (letter, number)));
    let missing = numbers.filter(|(letter, number)| !text.contains(&format!("\n| {letter}{number} |")));
    let violation = |(letter, number)| Violation {
        path: path.to_owned(),
        line: 1,
        what: format!("{letter}{number} has no row"),
    };
    missing.map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::{File, without_row, without_test};

    #[test]
    fn a_test_that_there_is_not_is_reported() {
        let files = [File::new("tests/a.rs", "fn what_is_there_is_found() {}")];
        let text = "`what_is_there_is_found`\n`what_is_not_there_is_told`, `short_name`, `Core::end`";
        let found: Vec<_> = without_test("a.md", text, &files).into_iter().map(|found| found.line).collect();
        assert_eq!(found, [2]);
    }

    #[test]
    fn a_hazard_without_a_row_is_reported() {
        assert_eq!(without_row("a.md", "\n| A1 | …\n| B1 | …", &[('A', 2), ('B', 1)]).len(), 1);
    }
}
