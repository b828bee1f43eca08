//! Rules about the dependencies between the crates of the workspace.

use super::scan::Violation;

/// A crate of the workspace, as its manifest describes it.
pub(super) struct Manifest {
    pub(super) path: String,
    pub(super) package: String,
    /// The names of its dependencies, without those of its tests, in alphabetical order.
    pub(super) dependencies: Vec<String>,
}

impl Manifest {
    pub(super) fn new(path: impl Into<String>, text: &str) -> Self {
        let mut package = String::new();
        let mut dependencies = Vec::new();
        let mut section = "";
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_matches(['[', ']']);
                if let Some((table, name)) = section.rsplit_once('.')
                    && is_dependencies(table)
                {
                    dependencies.push(name.to_owned());
                }
            } else if let Some((key, value)) = line.split_once('=') {
                if section == "package" && key.trim() == "name" {
                    package = unquoted(value);
                }
                if is_dependencies(section) {
                    let renamed = value.split_once("package").and_then(|(_, name)| name.split('"').nth(1));
                    dependencies
                        .push(renamed.unwrap_or(key.split('.').next().unwrap_or(key).trim()).to_owned());
                } else if is_dependencies(section.rsplit_once('.').map_or("", |(table, _)| table))
                    && key.trim() == "package"
                {
                    dependencies.push(unquoted(value));
                }
            }
        }
        dependencies.sort();
        dependencies.dedup();
        Self { path: path.into(), package, dependencies }
    }
}

/// Whether a section lists what is built into the crate: not for its tests, and not only the workspace's versions.
fn is_dependencies(section: &str) -> bool {
    let table = if section.starts_with("target.") {
        section.rsplit_once('.').map_or("", |(_, t)| t)
    } else {
        section
    };
    matches!(table, "dependencies" | "build-dependencies")
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches('"').to_owned()
}

/// The directories of the workspace's members: the root, and those that its manifest lists.
pub(super) fn members(root_manifest: &str) -> Vec<String> {
    let list =
        root_manifest.split_once("members").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(l, _)| l);
    std::iter::once("").chain(list.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Edges that the table doesn't have, edges that only the table has, and crates that are missing on either side.
pub(super) fn wrong_edges(manifests: &[Manifest], table: &[(&str, &[&str])]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let ours = |name: &&String| manifests.iter().any(|manifest| manifest.package == **name);
    for manifest in manifests {
        let mut report = |what| violations.push(Violation { path: manifest.path.clone(), line: 1, what });
        let edges: Vec<&str> = manifest.dependencies.iter().filter(ours).map(String::as_str).collect();
        match table.iter().find(|(package, _)| *package == manifest.package) {
            None => report(format!("the table has no line for {}", manifest.package)),
            Some((_, allowed)) if edges != *allowed => {
                report(format!("{} depends on {edges:?}, the table says {allowed:?}", manifest.package));
            }
            Some(_) => {}
        }
    }
    for (package, _) in table {
        if !manifests.iter().any(|manifest| manifest.package == *package) {
            let what = format!("the table lists {package}, which is no member");
            violations.push(Violation { path: "Cargo.toml".to_owned(), line: 1, what });
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{Manifest, members, wrong_edges};

    const NET: &str = "[package]\nname = \"net\"\n[dependencies]\nrt.workspace = true # why\nbytes = \"1\"\n\
                       [dev-dependencies]\nbench = { path = \"b\" }\n[workspace.dependencies]\nshim = \"1\"\n";

    fn manifest(text: &str) -> Manifest {
        Manifest::new("Cargo.toml", text)
    }

    fn count(net: &str, table: &[(&str, &[&str])]) -> usize {
        let others = ["rt", "shim", "bench"].map(|name| manifest(&format!("[package]\nname = \"{name}\"")));
        let manifests: Vec<Manifest> = others.into_iter().chain([manifest(net)]).collect();
        let leaves: [(&str, &[&str]); 3] = [("rt", &[]), ("shim", &[]), ("bench", &[])];
        wrong_edges(&manifests, &[&leaves, table].concat()).len()
    }

    #[test]
    fn a_manifest_is_read() {
        assert_eq!(manifest(NET).package, "net");
        assert_eq!(manifest(NET).dependencies, ["bytes", "rt"]);
    }

    #[test]
    fn dependencies_are_found_in_every_form() {
        let text = "[target.'cfg(unix)'.dependencies]\na = \"1\"\n[dependencies.b]\nversion = \"1\"\n\
                    [build-dependencies]\nc = \"1\"\n[dependencies]\nd = { package = \"e\", version = \"1\" }\n";
        assert_eq!(manifest(text).dependencies, ["a", "b", "c", "e"]);
    }

    #[test]
    fn edges_that_differ_from_the_table_are_reported() {
        assert_eq!(count(NET, &[("net", &["rt"])]), 0);
        assert_eq!(count(NET, &[("net", &["rt", "shim"])]), 1);
        assert_eq!(count(&NET.replace("bytes =", "shim ="), &[("net", &["rt"])]), 1);
    }

    #[test]
    fn crates_that_only_one_side_knows_are_reported() {
        assert_eq!(count(NET, &[]), 1);
        assert_eq!(count(NET, &[("net", &["rt"]), ("gone", &[])]), 1);
    }

    #[test]
    fn members_are_read_from_the_workspace() {
        assert_eq!(members("[workspace]\nmembers = [\"a\",\n \"b/c\"]\n[x]\ny = [\"z\"]"), ["", "a", "b/c"]);
    }
}
