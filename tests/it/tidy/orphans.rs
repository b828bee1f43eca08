//! The rule that each file is a module of something: what nobody declares is compiled by nobody and rots.

use super::scan::{File, Violation, find_name};

/// Files below a crate's root that their parent doesn't declare with `mod`.
pub(super) fn orphans(files: &[File], roots: &[&str]) -> Vec<Violation> {
    let is_orphan = |file: &&File| match parents(&file.path, roots) {
        None => false,
        Some((module, parents)) => {
            !files.iter().any(|parent| parents.contains(&parent.path) && declares(parent, &module))
        }
    };
    let what = "no parent declares this file with `mod`";
    files.iter().filter(is_orphan).map(|file| file.violation(1, what)).collect()
}

fn declares(parent: &File, module: &str) -> bool {
    let declaration = format!("mod {module}");
    let is_external = |at: usize| parent.code[at + declaration.len()..].trim_start().starts_with(';');
    find_name(&parent.code, &declaration).into_iter().any(is_external)
}

/// The name of the module that the file is and the files that may declare it; none for the root of a crate.
fn parents(path: &str, roots: &[&str]) -> Option<(String, Vec<String>)> {
    let root = roots.iter().find(|root| path.starts_with(**root))?;
    let module = path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs"))?;
    let (directory, name) = module.rsplit_once('/')?;
    if format!("{directory}/") == **root {
        let is_root = matches!(name, "lib" | "main");
        return (!is_root)
            .then(|| (name.to_owned(), ["lib", "main"].map(|file| format!("{root}{file}.rs")).into()));
    }
    if directory.strip_prefix(root) == Some("bin") {
        return None;
    }
    Some((name.to_owned(), vec![format!("{directory}.rs"), format!("{directory}/mod.rs")]))
}

#[cfg(test)]
mod tests {
    use super::{File, orphans};

    #[test]
    fn a_file_that_nobody_declares_is_reported() {
        let files = [
            File::new("src/lib.rs", "pub mod a;\nmod b;\n// mod lost;\nmod inline {}"),
            File::new("src/a.rs", "mod c;"),
            File::new("src/a/c.rs", ""),
            File::new("src/a/lost.rs", ""),
            File::new("src/b/mod.rs", "mod d;"),
            File::new("src/b/d.rs", ""),
            File::new("src/bin/tool.rs", ""),
            File::new("src/lost.rs", ""),
            File::new("src/inline.rs", ""),
            File::new("examples/echo.rs", ""),
        ];
        let found: Vec<String> =
            orphans(&files, &["src/"]).into_iter().map(|violation| violation.path).collect();
        assert_eq!(found, ["src/a/lost.rs", "src/lost.rs", "src/inline.rs"]);
    }
}
