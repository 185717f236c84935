//! Holds the layers of `src/lib.rs`: arrows point only down, and the pure layers stay pure.

#![allow(clippy::unwrap_used, reason = "a test panics with the reason")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from bottom to top; those in one row stand beside each other and must not know each other.
const LAYERS: [&[&str]; 10] = [
    &["model"],
    &["geometry"],
    &["loss"],
    &["learner"],
    &["process"],
    &["pool", "checkpoint", "function"],
    &["report", "cache"],
    &["runner"],
    &["study"],
    &["cli"],
];

/// Parts that do no I/O and read no clock.
const PURE: [&str; 18] = [
    "src/model",
    "src/geometry",
    "src/loss",
    "src/learner",
    "src/pool/appetite.rs",
    "src/pool/pace.rs",
    "src/pool/scheduler.rs",
    "src/pool/scheduler/deadlines.rs",
    "src/pool/scheduler/endings.rs",
    "src/pool/scheduler/groups.rs",
    "src/pool/scheduler/stragglers.rs",
    "src/pool/scheduler/waiting.rs",
    "src/pool/spread.rs",
    "src/pool/wire.rs",
    "src/runner/ask_tell",
    "src/runner/engine.rs",
    "src/runner/engine",
    "src/runner/goal.rs",
];

const FORBIDDEN_IN_PURE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "std::env",
    "File::",
];

fn sources(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap_or_else(|error| panic!("{}: {error}", under.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The code without unit tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

#[test]
fn every_module_has_its_layer() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for line in lib.lines() {
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            assert!(
                layer_of(module).is_some() || ["prelude", "guide"].contains(&module),
                "module `{module}` has no layer in {}",
                file!()
            );
        }
    }
}

#[test]
fn arrows_point_only_down() {
    let mut upward = Vec::new();
    for (layer, row) in LAYERS.iter().enumerate() {
        for module in *row {
            let folder = root().join("src").join(module);
            let place = if folder.exists() { folder } else { folder.with_extension("rs") };
            for path in sources(&place) {
                for (index, line) in code(&path).lines().enumerate() {
                    for (_, used) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + 7)) {
                        let name: String =
                            used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                        if name != *module && layer_of(&name).is_some_and(|other| other >= layer) {
                            upward.push(format!("{}:~{}: {module} uses {name}", path.display(), index + 1));
                        }
                    }
                }
            }
        }
    }
    assert!(upward.is_empty(), "not downward:\n{}", upward.join("\n"));
}

#[test]
fn the_pure_parts_do_no_io_and_read_no_clock() {
    let mut impure = Vec::new();
    for part in PURE {
        for path in sources(&root().join(part)) {
            let code = code(&path);
            for word in FORBIDDEN_IN_PURE.iter().filter(|word| code.contains(**word)) {
                impure.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(impure.is_empty(), "not pure:\n{}", impure.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read_in_one_go() {
    for path in sources(&root().join("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 700, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_registry_entry_has_its_file_and_its_template() {
    use adaptive_mpi::study::template::{FUNCTION_PARTS, LEARNER_PARTS};
    let has = |path: String| {
        let folder = root().join("src").join(&path);
        let file = folder.with_extension("rs");
        assert!(file.is_file() || folder.join("mod.rs").is_file(), "{path} is missing");
    };
    for kind in adaptive_mpi::function::FUNCTIONS {
        let file = if kind.name == "rust" { "native" } else { kind.name };
        has(format!("function/{file}"));
        assert!(FUNCTION_PARTS.iter().any(|part| part.name == kind.name), "no template for {}", kind.name);
    }
    for kind in adaptive_mpi::learner::LEARNERS {
        let file = match kind.name {
            "1d" => "learner1d",
            "2d" => "learner2d",
            "nd" => "learner_nd",
            other => other,
        };
        has(format!("learner/{file}"));
        assert!(LEARNER_PARTS.iter().any(|part| part.name == kind.name), "no template for {}", kind.name);
    }
    for exporter in adaptive_mpi::report::export::EXPORTERS {
        has(format!("report/export/{}", exporter.name));
    }
}

#[test]
fn the_guide_knows_every_learner_every_key_and_every_loss() {
    use adaptive_mpi::{learner::LEARNERS, loss};
    let guide = fs::read_to_string(root().join("src/guide/learners.md")).unwrap();
    let section = |heading: &str| {
        let (_, rest) = guide.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
        let level = heading.split(' ').next().unwrap();
        rest.split(&format!("\n{level} ")).next().unwrap().to_owned()
    };
    // A description ends with the keys, as in "a function of one number: bounds, loss".
    let check = |text: &str, about: &str| {
        for key in about.split_once(": ").map_or("", |(_, keys)| keys).split([',', ' ']) {
            let key = key.trim();
            let is_key =
                key.contains('_') || ["bounds", "hull", "tol", "atol", "rtol", "levels"].contains(&key);
            assert!(
                !is_key || text.contains(&format!("`{key}`")),
                "`{key}` of {about:?} is not in the guide"
            );
        }
    };
    for kind in LEARNERS {
        check(&section(&format!("## {}", kind.name)), kind.about);
    }
    let named = |kinds: &mut dyn Iterator<Item = (&'static str, &'static str)>, heading: &str| {
        let text = section(heading);
        for (name, about) in kinds {
            assert!(text.contains(&format!("\n| `{name}` | ")), "{name} is not under {heading}");
            check(&text, about);
        }
    };
    named(&mut loss::INTERVAL_LOSSES.iter().map(|k| (k.name, k.about)), "### Losses of 1d and average1d");
    named(&mut loss::triangle::TRIANGLE_LOSSES.iter().map(|k| (k.name, k.about)), "### Losses of 2d");
    named(&mut loss::simplex::SIMPLEX_LOSSES.iter().map(|k| (k.name, k.about)), "### Losses of nd");
}

#[test]
fn the_study_knows_the_strategies_of_the_balancing_learner() {
    let names = adaptive_mpi::learner::Strategy::ALL.iter().map(|(_, name, _)| *name);
    assert!(names.eq(adaptive_mpi::study::STRATEGIES));
}
