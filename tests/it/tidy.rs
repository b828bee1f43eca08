//! Tidiness as a test: the rules of the house that a program can check, over every source file of the workspace.
//!
//! Each rule is a function from a file to what breaks it, and has a test of its own next to it that feeds it something
//! bad. The tests here only walk the tree. What may stand where is in [`tables`].

mod edges;
mod homes;
mod mutants;
mod orphans;
mod page;
mod proofs;
mod scan;
mod tables;
mod unsafety;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use edges::Manifest;
use scan::{File, Violation};

/// Every source file of the workspace, in the order of their paths.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let mut files = Vec::new();
    walk(root(), &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!files.is_empty(), "the tests run where the sources are");
    files
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(directory: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().expect("names in the tree are UTF-8");
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(&path, files);
        } else if path.is_file() && name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push(File::new(path.strip_prefix(root()).unwrap().to_str().unwrap(), text));
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} can't be read: {error}"))
}

/// The directories of the workspace's crates, each with `/` at its end but for the root's, which is empty.
fn members() -> Vec<String> {
    let slash = |member: String| if member.is_empty() { member } else { member + "/" };
    edges::members(&read("Cargo.toml")).into_iter().map(slash).collect()
}

fn examples() -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(|file| file.path.starts_with("examples/"))
}

#[track_caller]
fn check(violations: impl IntoIterator<Item = Violation>) {
    let lines: Vec<String> = violations.into_iter().map(|violation| format!("\n  {violation}")).collect();
    assert!(lines.is_empty(), "{} violations:{}", lines.len(), lines.concat());
}

#[test]
fn files_are_short() {
    check(FILES.iter().flat_map(|file| page::too_long(file, tables::FILE_LINES_MAX)));
}

#[test]
fn files_say_what_they_are() {
    check(FILES.iter().flat_map(page::without_header));
}

#[test]
fn functions_are_short() {
    check(FILES.iter().flat_map(|file| page::functions_too_long(file, tables::FUNCTION_LINES_MAX)));
}

#[test]
fn every_file_is_a_module_of_something() {
    let roots: Vec<String> =
        members().into_iter().map(|member| member + "src/").chain(["tests/it/".into()]).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    check(orphans::orphans(&FILES, &roots));
}

#[test]
fn unsafe_code_stands_only_in_listed_files() {
    check(FILES.iter().flat_map(|file| unsafety::unlisted(file, tables::UNSAFE_FILES)));
}

#[test]
fn the_list_of_unsafe_files_is_not_stale() {
    check(unsafety::stale(&FILES, tables::UNSAFE_FILES));
}

#[test]
fn crates_without_unsafe_code_forbid_it() {
    let is_safe = |member: &String| {
        !tables::UNSAFE_CRATES.iter().any(|(directory, _)| format!("{directory}/") == *member)
    };
    let roots: Vec<String> =
        members().into_iter().filter(is_safe).map(|member| member + "src/lib.rs").collect();
    let roots = FILES.iter().filter(|file| roots.contains(&file.path));
    check(roots.flat_map(unsafety::forbids_unsafe));
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    check(FILES.iter().flat_map(unsafety::without_safety_comment));
}

#[test]
fn crates_depend_downwards_only() {
    let manifest = |member: String| {
        let path = member + "Cargo.toml";
        let text = read(&path);
        Manifest::new(path, &text)
    };
    let manifests: Vec<Manifest> = members().into_iter().map(manifest).collect();
    check(edges::wrong_edges(&manifests, tables::EDGES));
}

#[test]
fn everything_stays_in_its_home() {
    check(tables::HOMES.iter().flat_map(|home| FILES.iter().flat_map(|file| homes::strangers(file, home))));
}

#[test]
fn the_tables_of_homes_are_not_stale() {
    check(homes::stale(&FILES, tables::HOMES));
}

#[test]
fn imports_name_what_they_bring() {
    check(FILES.iter().flat_map(page::globs));
}

#[test]
fn features_choose_modules_and_not_lines() {
    check(FILES.iter().flat_map(page::features_in_functions));
}

#[test]
fn nothing_is_left_unfinished() {
    check(FILES.iter().flat_map(page::unfinished));
}

#[test]
fn every_public_async_function_tells_its_cancel_safety() {
    let is_in_scope =
        |file: &&File| tables::CANCEL_SAFETY_SCOPE.iter().any(|scope| file.path.starts_with(scope));
    check(FILES.iter().filter(is_in_scope).flat_map(page::without_cancel_safety));
}

#[test]
fn every_guarantee_names_tests_that_there_are() {
    let path = "docs/guarantees.md";
    let text = read(path);
    check(proofs::without_test(path, &text, &FILES));
    check(proofs::without_row(path, &text, tables::HAZARDS));
}

#[test]
fn examples_are_small_and_in_the_readme() {
    let readme = read("README.md");
    check(examples().flat_map(|file| page::too_long(file, tables::EXAMPLE_LINES_MAX)));
    check(examples().flat_map(|file| page::not_in_readme(file, &readme)));
}

#[test]
fn mutants_fit_the_code() {
    let mut names = BTreeSet::new();
    let mut areas: Vec<_> =
        fs::read_dir(root().join("tests/mutants")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    areas.sort();
    assert!(!areas.is_empty());
    check(areas.iter().flat_map(|area| {
        let path = format!("tests/mutants/{}", area.to_str().unwrap());
        mutants::stale(&path, &read(&path), &FILES, &mut names)
    }));
}
