//! What a mutant is: a text to find, what to put in its place, and the test that must see it. It reads
//! `tests/mutants/*.toml` and touches nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::Result;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    mutant: Vec<Mutant>,
}

/// One known break.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutant {
    pub(super) name: String,
    pub(super) hazard: String,
    file: String,
    find: String,
    replace: String,
    /// Arguments of `cargo test`, and the whole name of one test as the last word.
    pub(super) test: String,
    /// Further edits, where one is not enough.
    #[serde(default)]
    also: Vec<Edit>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
}

/// One edit of one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub(super) file: String,
    find: String,
    replace: String,
}

impl Mutant {
    pub(super) fn is_wanted(&self, only: Option<&str>, hazard: Option<&str>) -> bool {
        only.is_none_or(|part| self.name.contains(part)) && hazard.is_none_or(|name| self.hazard == name)
    }

    pub(super) fn edits(&self) -> Vec<Edit> {
        let first = Edit { file: self.file.clone(), find: self.find.clone(), replace: self.replace.clone() };
        [first].into_iter().chain(self.also.iter().cloned()).collect()
    }

    /// The arguments that name the test's target, and the test.
    pub(super) fn target_and_test(&self) -> Result<(Vec<&str>, &str)> {
        let mut words: Vec<&str> = self.test.split_whitespace().collect();
        let test = words.pop().ok_or_else(|| format!("{}: no test", self.name))?;
        Ok((words, test))
    }
}

impl Edit {
    /// The text with the edit made; an error if what is to be found is not there exactly once.
    pub(super) fn make(&self, text: &str) -> Result<String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(format!("{} has {count} times: {}", self.file, self.find).into()),
        }
    }
}

/// All mutants of a directory, by file and in the order in which they stand there.
pub(super) fn load(directory: &Path) -> Result<Vec<Mutant>> {
    let mut files: Vec<_> = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut mutants = Vec::new();
    for file in files {
        mutants.extend(
            parse(&fs::read_to_string(&file)?).map_err(|error| format!("{}: {error}", file.display()))?,
        );
    }
    let mut names = BTreeSet::new();
    match mutants.iter().find(|mutant| !names.insert(&mutant.name)) {
        Some(twice) => Err(format!("two mutants are named {}", twice.name).into()),
        None => Ok(mutants),
    }
}

fn parse(text: &str) -> Result<Vec<Mutant>> {
    Ok(toml::from_str::<Area>(text)?.mutant)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[mutant]]\nname = 'n'\nhazard = 'A2'\nfile = 'f'\nfind = 'a'\nreplace = 'b'\n\
                       test = '-p x --test it m::t'\n";

    #[test]
    fn a_mutant_is_read() {
        let mutants = parse(&format!("{ONE}also = [{{ file = 'g', find = 'c', replace = '' }}]")).unwrap();
        assert_eq!(mutants[0].target_and_test().unwrap(), (vec!["-p", "x", "--test", "it"], "m::t"));
        assert_eq!(mutants[0].edits().len(), 2);
    }

    #[test]
    fn a_key_that_is_misspelt_is_refused() {
        assert!(parse(&format!("{ONE}tests = 'x'")).is_err());
    }

    #[test]
    fn an_edit_wants_its_text_exactly_once() {
        let edit = &parse(ONE).unwrap()[0].edits()[0];
        assert_eq!(edit.make("xay").unwrap(), "xby");
        assert!(edit.make("x").is_err());
        assert!(edit.make("aa").is_err());
    }

    #[test]
    fn mutants_are_chosen_by_name_and_by_hazard() {
        let mutant = &parse(ONE).unwrap()[0];
        assert!(mutant.is_wanted(None, None) && mutant.is_wanted(Some("n"), Some("A2")));
        assert!(!mutant.is_wanted(Some("m"), None) && !mutant.is_wanted(None, Some("A")));
    }
}
