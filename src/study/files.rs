//! The files that `[function]` names: a model, a program, its input. Their contents are part of what the function is.

use super::Study;
use super::calls::FREE_KEYS;
use crate::model::settings::{SettingValue, Table};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

impl Study {
    /// The SHA-256 of each file that `[function]` names and that can be read, by its name.
    pub fn function_files(&self) -> BTreeMap<String, String> {
        let named = named(&self.function, &self.folder()).into_iter();
        named.filter_map(|(name, digest)| Some((name, digest.ok()?))).collect()
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

/// SHA-256 of each file that a word of the settings names, as `model.py` in `"model.py:h"` or in `"python3 model.py"`. A script
/// inside a word (of `sh -c`) is not looked into: it may name files that it writes.
pub(super) fn named(function: &Table, folder: &Path) -> BTreeMap<String, io::Result<String>> {
    let mut found = BTreeMap::new();
    look(function, folder, &mut found);
    found
}

fn look(table: &Table, folder: &Path, found: &mut BTreeMap<String, io::Result<String>>) {
    let entries = table.entries().iter().filter(|(key, ..)| !FREE_KEYS.contains(&key.as_str()));
    for (_, _, setting) in entries {
        match &setting.value {
            SettingValue::Text(text) => {
                let words = shlex::split(text).unwrap_or_default();
                words.iter().for_each(|word| digest(word, folder, found));
            }
            SettingValue::List(items) => {
                for item in items {
                    if let SettingValue::Text(word) = &item.value {
                        digest(word, folder, found);
                    }
                }
            }
            SettingValue::Table(table) => look(table, folder, found),
            _ => {}
        }
    }
}

fn digest(word: &str, folder: &Path, found: &mut BTreeMap<String, io::Result<String>>) {
    let before_colon = word.rsplit_once(':').map_or(word, |(file, _)| file);
    for name in [word, before_colon] {
        let path = folder.join(name);
        if !name.is_empty() && !found.contains_key(name) && path.is_file() {
            found.insert(name.to_owned(), std::fs::read(&path).map(|contents| sha256(&contents)));
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
