//! The files that `[function]` names: a model, a program, its input. Their contents are part of what the function is.

use super::Study;
use super::calls::FREE_KEYS;
use crate::model::settings::{SettingValue, Table};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

impl Study {
    /// The SHA-256 of each file that `[function]` names and that can be read, by its name.
    pub fn function_files(&self) -> BTreeMap<String, String> {
        let named = named(&self.function, &self.folder()).into_iter();
        named.filter_map(|(name, digest)| Some((name, digest.ok()?))).collect()
    }

    /// The names of these files, which are not read.
    pub fn function_file_names(&self) -> Vec<String> {
        named_with(&self.function, &self.folder(), &|_| Ok(String::new())).into_keys().collect()
    }
}

/// The file that holds the function itself: what stands before the colon, or the first word of a command.
pub(super) fn code(function: &Table) -> Option<String> {
    let text = |key: &str| match &function.get(key)?.value {
        SettingValue::Text(text) => Some(text.clone()),
        SettingValue::List(items) => match &items.first()?.value {
            SettingValue::Text(word) => Some(word.clone()),
            _ => None,
        },
        _ => None,
    };
    let before_colon = |text: String| text.rsplit_once(':').map(|(file, _)| file.to_owned());
    let first_word = |text: String| shlex::split(&text)?.into_iter().next();
    ["python", "library"]
        .iter()
        .find_map(|key| text(key).and_then(before_colon))
        .or_else(|| ["command", "program"].iter().find_map(|key| text(key).and_then(first_word)))
}

/// Endings of scripts, which programs read and don't write.
const SCRIPTS: [&str; 12] = ["py", "sh", "pl", "rb", "jl", "R", "r", "m", "lua", "js", "awk", "tcl"];

/// Whether this file belongs to what the function is: the file itself, a module that a Python model imports, a script among
/// its words, a template, or data. Other files that its words name may be such that it writes.
pub(super) fn is_code(function: &Table, name: &str) -> bool {
    let is_script =
        || Path::new(name).extension().is_some_and(|ending| SCRIPTS.iter().any(|known| ending == *known));
    let reads = |key: &str| function.get(key).is_some_and(|setting| names(&setting.value, name));
    code(function).is_some_and(|file| file == name) || is_script() || reads("template") || reads("data")
}

/// Whether one of the texts of a setting is this one.
fn names(value: &SettingValue, name: &str) -> bool {
    match value {
        SettingValue::Text(text) => text == name,
        SettingValue::List(items) => items.iter().any(|item| names(&item.value, name)),
        SettingValue::Table(table) => {
            table.entries().iter().any(|(_, _, setting)| names(&setting.value, name))
        }
        _ => false,
    }
}

/// SHA-256 of each file that a word of the settings names, as `model.py` in `"model.py:h"` or in `"python3 model.py"`. A script
/// inside a word (of `sh -c`) is not looked into: it may name files that it writes.
pub(super) fn named(function: &Table, folder: &Path) -> BTreeMap<String, io::Result<String>> {
    named_with(function, folder, &|path| std::fs::read(path).map(|contents| sha256(&contents)))
}

/// Files by their names, with what `make` makes of each.
struct Found<'a> {
    files: BTreeMap<String, io::Result<String>>,
    folder: &'a Path,
    make: &'a dyn Fn(&Path) -> io::Result<String>,
}

fn named_with(
    function: &Table,
    folder: &Path,
    make: &dyn Fn(&Path) -> io::Result<String>,
) -> BTreeMap<String, io::Result<String>> {
    let mut found = Found { files: BTreeMap::new(), folder, make };
    look(function, &mut found);
    if let Some(code) = code(function).filter(|_| function.get("python").is_some()) {
        // Both can be imported from: the folder of a file, and that of the study.
        let is_file = is_python_file(&code);
        let home = Path::new(&code).parent().filter(|_| is_file).unwrap_or(Path::new("")).to_owned();
        let mut models = if is_file { vec![code] } else { Vec::new() };
        if !is_file {
            let module = function.text("python").ok().flatten().and_then(|text| text.rsplit_once(':'));
            let module = module.map_or_else(String::new, |(module, _)| module.replace('.', "/"));
            add_modules(&[module], &[Path::new("")], &mut found, &mut models);
        }
        while let Some(model) = models.pop() {
            let beside = Path::new(&model).parent().unwrap_or(Path::new("")).to_owned();
            let modules = imported(&folder.join(&model));
            add_modules(&modules, &[&beside, &home, Path::new("")], &mut found, &mut models);
        }
    }
    found.files
}

/// Whether a Python target is a file, and not a module by its name.
fn is_python_file(target: &str) -> bool {
    target.ends_with(".py") || target.contains('/')
}

/// Adds the files of these modules, `a/b` for `a.b`, that lie below one of the places of the folder and are new.
fn add_modules(modules: &[String], places: &[&Path], found: &mut Found<'_>, new: &mut Vec<String>) {
    for file in modules.iter().flat_map(|module| module_files(module)) {
        for name in places.iter().map(|place| place.join(&file).display().to_string()) {
            if !found.files.contains_key(&name) && found.folder.join(&name).is_file() {
                add(&name, found);
                new.push(name);
            }
        }
    }
}

/// Where the code of a module may be. Of a package, the parts on the way are run too.
fn module_files(module: &str) -> Vec<PathBuf> {
    let parts = Path::new(module).ancestors().filter(|part| *part != Path::new(""));
    let packages = parts.map(|part| part.join("__init__.py"));
    std::iter::once(PathBuf::from(format!("{module}.py"))).chain(packages).collect()
}

/// The modules that a Python file imports, as `a/b` for `a.b`, by its text: it is not run. What is imported by
/// other means is not found.
fn imported(model: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(model).unwrap_or_default();
    let mut modules = Vec::new();
    for line in text.lines().map(str::trim_start) {
        let first_words = |names: &str| -> Vec<String> {
            let names = names.split(',').filter_map(|name| name.split_ascii_whitespace().next());
            names.map(|name| name.trim_matches(['(', ')', '.']).replace('.', "/")).collect()
        };
        if let Some(names) = line.strip_prefix("import ") {
            modules.extend(first_words(names));
        } else if let Some((from, names)) =
            line.strip_prefix("from ").and_then(|rest| rest.split_once(" import "))
        {
            let from = from.trim_matches([' ', '.']).replace('.', "/");
            // Any of the names may be a module, too.
            modules.extend(first_words(names).iter().map(|name| format!("{from}/{name}")));
            modules.push(from);
        }
    }
    let names = modules.iter().map(|name| name.trim_start_matches('/')).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn look(table: &Table, found: &mut Found<'_>) {
    let entries = table.entries().iter().filter(|(key, ..)| !FREE_KEYS.contains(&key.as_str()));
    for (_, _, setting) in entries {
        match &setting.value {
            SettingValue::Text(text) => {
                let words = shlex::split(text).unwrap_or_default();
                words.iter().for_each(|word| add(word, found));
            }
            SettingValue::List(items) => {
                for item in items {
                    if let SettingValue::Text(word) = &item.value {
                        add(word, found);
                    }
                }
            }
            SettingValue::Table(table) => look(table, found),
            _ => {}
        }
    }
}

fn add(word: &str, found: &mut Found<'_>) {
    let before_colon = word.rsplit_once(':').map_or(word, |(file, _)| file);
    for name in [word, before_colon] {
        let path = found.folder.join(name);
        if !name.is_empty() && !found.files.contains_key(name) && path.is_file() {
            found.files.insert(name.to_owned(), (found.make)(&path));
        }
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_beside_a_model_count_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("my/model.py", "import numpy as np, helper\nfrom pack import part, f  # from other import x\n");
        write("my/helper.py", "def k():\n    import model\n    from deep import *\n");
        write("my/deep.py", "");
        write("my/pack/__init__.py", "");
        write("my/pack/part.py", "");
        write("my/other.py", "");
        let text = "[function]\npython = 'my/model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 1\n";
        let study = Study::parse(text, folder.path().join("a.toml")).unwrap();
        let files: Vec<_> = study.function_files().into_keys().collect();
        let expected = ["deep", "helper", "model", "pack/__init__", "pack/part"];
        assert_eq!(files, expected.map(|name| format!("my/{name}.py")));
        assert!(files.iter().all(|name| is_code(&study.function, name)));
    }

    #[test]
    fn a_module_is_found_with_its_packages_and_what_it_imports() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("model.py", "import pack.part\n");
        write("pack/__init__.py", "");
        write("pack/part.py", "import helper\nfrom .other import f\n");
        write("pack/other.py", "");
        write("helper.py", "");
        write("unused.py", "");
        let files_of = |target: &str| {
            let text = format!(
                "[function]\npython = '{target}'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 1\n"
            );
            let study = Study::parse(&text, folder.path().join("a.toml")).unwrap();
            let files: Vec<_> = study.function_files().into_keys().collect();
            assert!(files.iter().all(|name| is_code(&study.function, name)));
            files
        };
        let part = ["helper.py", "pack/__init__.py", "pack/other.py", "pack/part.py"];
        assert_eq!(files_of("pack.part:h"), part);
        assert_eq!(files_of("pack:h"), ["pack/__init__.py"]);
        assert_eq!(files_of("model:h"), [part[0], "model.py", part[1], part[2], part[3]]);
        assert_eq!(files_of("model:h"), files_of("model.py:h"));
        assert_eq!(files_of("numpy.linalg:norm"), [""; 0]);
    }

    #[test]
    fn the_code_of_each_kind_is_found() {
        let code_of = |line: &str| {
            let text =
                format!("[function]\n{line}\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 1\n");
            code(&Study::parse(&text, "a.toml").unwrap().function)
        };
        for (line, file) in [
            ("python = 'my/model.py:h'", Some("my/model.py")),
            ("library = 'libmodel.so:model'", Some("libmodel.so")),
            ("command = './simulate --x {x}'", Some("./simulate")),
            ("program = ['./simulator', 'input.txt']", Some("./simulator")),
            ("builtin = 'peak'", None),
        ] {
            assert_eq!(code_of(line).as_deref(), file, "{line}");
        }
    }
}
