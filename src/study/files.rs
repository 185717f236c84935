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

    /// The names of those among them that are run. None where `version` alone says when values change.
    pub fn code_files(&self) -> Vec<String> {
        let mut names = self.function_file_names();
        names.retain(|name| self.function.get("version").is_none() && is_run(&self.function, name));
        names
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

/// Endings of scripts and compiled modules, which programs read and don't write.
const SCRIPTS: [&str; 13] = ["py", "so", "sh", "pl", "rb", "jl", "R", "r", "m", "lua", "js", "awk", "tcl"];

/// Whether this file belongs to what the function is: the file itself, a module that a Python model imports, a script among
/// its words, a template, or data. Other files that its words name may be such that it writes.
pub(super) fn is_code(function: &Table, name: &str) -> bool {
    is_run(function, name) || is_read(function, name)
}

/// Whether it is read once, at the start of a run: a template, or data.
fn is_read(function: &Table, name: &str) -> bool {
    ["template", "data"]
        .iter()
        .any(|key| function.get(key).is_some_and(|setting| names(&setting.value, name)))
}

/// The same without those that are read once.
fn is_run(function: &Table, name: &str) -> bool {
    let is_script =
        || Path::new(name).extension().is_some_and(|ending| SCRIPTS.iter().any(|known| ending == *known));
    code(function).is_some_and(|file| file == name) || is_script() && !is_read(function, name)
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
    /// The compiled modules in each folder that was looked into.
    compiled: BTreeMap<PathBuf, Vec<String>>,
    make: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Found<'_> {
    /// Compiled modules of this name below a place: `name.so`, `name.cpython-312-x86_64-linux-gnu.so`. A folder, which may hold
    /// many files, is read once.
    fn compiled(&mut self, place: &Path, module: &str) -> Vec<PathBuf> {
        let (package, name) = module.rsplit_once('/').unwrap_or(("", module));
        let folder = self.folder.join(place).join(package);
        let names = self.compiled.entry(folder).or_insert_with_key(|folder| {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let names = files.filter_map(|file| file.file_name().into_string().ok());
            names.filter(|file| file.ends_with(".so")).collect()
        });
        let is_it = |file: &&String| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        names.iter().filter(is_it).map(|file| Path::new(package).join(file)).collect()
    }
}

fn named_with(
    function: &Table,
    folder: &Path,
    make: &dyn Fn(&Path) -> io::Result<String>,
) -> BTreeMap<String, io::Result<String>> {
    let mut found = Found { files: BTreeMap::new(), folder, compiled: BTreeMap::new(), make };
    look(function, &mut found);
    if let Some(code) = code(function).filter(|_| function.get("python").is_some()) {
        // Both can be imported from: the folder of a file, and that of the study.
        let is_file = is_python_file(&code);
        let home = Path::new(&code).parent().filter(|_| is_file).unwrap_or(Path::new("")).to_owned();
        let mut models = if is_file { vec![code] } else { Vec::new() };
        if !is_file {
            let module = function.text("python").ok().flatten().and_then(|text| text.rsplit_once(':'));
            let module = module.map_or_else(String::new, |(module, _)| module.replace('.', "/"));
            add_modules(&module, &[Path::new("")], &mut found, &mut models);
        }
        while let Some(model) = models.pop() {
            let beside = Path::new(&model).parent().unwrap_or(Path::new("")).to_owned();
            for Import { dots, module } in imported(&folder.join(&model)) {
                let above = beside.ancestors().nth(dots.saturating_sub(1));
                let places = [above.unwrap_or(Path::new("")), &home, Path::new("")];
                let places = if dots == 0 { &places[..] } else { &places[..usize::from(above.is_some())] };
                add_modules(&module, places, &mut found, &mut models);
            }
        }
    }
    found.files
}

/// Whether a Python target is a file, and not a module by its name.
fn is_python_file(target: &str) -> bool {
    target.ends_with(".py") || target.contains('/')
}

/// Adds the files of a module, `a/b` for `a.b`, that lie below one of the places of the folder and are new.
fn add_modules(module: &str, places: &[&Path], found: &mut Found<'_>, new: &mut Vec<String>) {
    for place in places {
        for file in module_files(module).into_iter().chain(found.compiled(place, module)) {
            let name = place.join(file).display().to_string();
            if !found.files.contains_key(&name) && found.folder.join(&name).is_file() {
                add(&name, found);
                new.push(name);
            }
        }
    }
}

/// Where the code of a module may be. Of a package, the parts on the way are run too.
fn module_files(module: &str) -> Vec<PathBuf> {
    if module.is_empty() {
        return vec!["__init__.py".into()];
    }
    let parts = Path::new(module).ancestors().filter(|part| *part != Path::new(""));
    let packages = parts.map(|part| part.join("__init__.py"));
    std::iter::once(PathBuf::from(format!("{module}.py"))).chain(packages).collect()
}

/// A module as a Python file names it.
struct Import {
    /// How many dots it begins with: 0 for an absolute name, 1 for the package of the file itself.
    dots: usize,
    /// `a/b` for `a.b`; empty for the package itself.
    module: String,
}

/// The modules that a Python file imports, by its text: it is not run. What is imported by other means is not found.
fn imported(model: &Path) -> Vec<Import> {
    let text = std::fs::read_to_string(model).unwrap_or_default();
    let mut imports = Vec::new();
    for statement in import_statements(&text) {
        let of_package = || statement.split_once(" import ");
        let whole = statement.strip_prefix("import ").map(|names| ("", names));
        let Some((from, names)) = whole.or_else(of_package) else { continue };
        let from = from.trim_start_matches("from ").replace(' ', "");
        let module = from.trim_start_matches(['.', '/']).replace('.', "/");
        let dots = from.len() - module.len();
        let names = names.split(',').filter_map(|name| name.split_ascii_whitespace().next());
        // Any of the names may be a module, too.
        let below =
            |name: &str| format!("{module}/{}", name.replace('.', "/")).trim_start_matches('/').to_owned();
        imports.extend(names.map(|name| Import { dots, module: below(name) }));
        if !from.is_empty() {
            imports.push(Import { dots, module });
        }
    }
    imports
}

/// The statements of a Python text that import, each in one line and without parentheses.
fn import_statements(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    // One that goes on in the next line.
    let mut begun: Option<String> = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().replace('\t', " ");
        for part in line.split([';', ':']).map(str::trim) {
            // Prose can begin like a statement; it does not go on like one.
            let goes_on = |_: &String| part.chars().all(|c| c.is_alphanumeric() || "_.,()*\\ ".contains(c));
            let statement = match begun.take().filter(goes_on) {
                Some(begun) => format!("{begun} {part}"),
                None if matches!(part.split([' ', '.']).next(), Some("import" | "from")) => part.to_owned(),
                None => continue,
            };
            let is_list = statement.contains("import (") || statement.contains("import(");
            if statement.ends_with('\\') || is_list && !statement.contains(')') {
                begun = Some(statement.trim_end_matches('\\').to_owned());
            } else {
                let spaced = statement.replace(['(', ')'], " ").replace("from.", "from .");
                statements.push(spaced.replace(".import ", ". import "));
            }
        }
    }
    statements
}

fn look(table: &Table, found: &mut Found<'_>) {
    let entries = table.entries().iter().filter(|(key, ..)| !FREE_KEYS.contains(&key.as_str()));
    for (_, _, setting) in entries {
        match &setting.value {
            SettingValue::Text(text) => {
                // A path by itself may have spaces and quotes.
                add(text, found);
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

    fn write_below(folder: &tempfile::TempDir, name: &str, text: &str) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn modules_beside_a_model_count_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write_below(&folder, name, text);
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
        let write = |name: &str, text: &str| write_below(&folder, name, text);
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
    fn imports_are_found_however_they_are_written() {
        let text = "\"\"\"Taken\nfrom prose import (see there\n\"\"\"\n\
                    import a, \\\n    b.c as d; from e import(f,\n  g,  # not h\n)\n\
                    try: import i\nfrom . import j\nfrom.k import l\n\tfrom ..m.n import *\nfrom .import o\nfrom_p = \"import q\"\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.py");
        std::fs::write(&path, text).unwrap();
        let found: Vec<String> =
            imported(&path).into_iter().map(|it| format!("{}{}", ".".repeat(it.dots), it.module)).collect();
        let expected =
            ["a", "b/c", "e/f", "e/g", "e", "i", ".j", ".", ".k/l", ".k", "..m/n/*", "..m/n", ".o", "."];
        assert_eq!(found, expected);
    }

    #[test]
    fn modules_of_packages_above_and_compiled_ones_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write_below(&folder, name, text);
        write("pack/sub/part.py", "from ..near import f\nimport fast\n");
        write("pack/near.py", "from . import (\n  nearer,\n)\n");
        write("pack/__init__.py", "");
        write("pack/nearer.py", "");
        write("fast.cpython-312-x86_64-linux-gnu.so", "");
        write("faster.so", "");
        let text = "[function]\npython = 'pack.sub.part:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 1\n";
        let study = Study::parse(text, folder.path().join("a.toml")).unwrap();
        let files: Vec<_> = study.function_files().into_keys().collect();
        let compiled = "fast.cpython-312-x86_64-linux-gnu.so";
        let pack = ["pack/__init__.py", "pack/near.py", "pack/nearer.py", "pack/sub/part.py"];
        assert_eq!(files, [&[compiled][..], &pack].concat());
        assert!(files.iter().all(|name| is_code(&study.function, name)));
    }

    #[test]
    fn paths_with_spaces_and_quotes_count() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["my model.py", "it's.csv", "the input.in"];
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        let files_of = |function: &str| {
            let text = format!(
                "[function]\n{function}\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 1\n"
            );
            let study = Study::parse(&text, folder.path().join("a.toml")).unwrap();
            study.function_files().into_keys().collect::<Vec<_>>()
        };
        assert_eq!(files_of("python = 'my model.py:h'\ndata = \"it's.csv\""), ["it's.csv", "my model.py"]);
        let command = "command = 'sim'\ntemplate = { 'a.in' = 'the input.in' }";
        assert_eq!(files_of(command), ["the input.in"]);
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
