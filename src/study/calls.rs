//! What a value is a value of, as text: the keys of a cache.

use super::compare::SAMPLED;
use super::{Study, StudyError, files};
use crate::model::settings::{self, SettingValue, Table};
use crate::model::{Parameter, Parameters, Signature, json};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// Keys of `[function]` that say how a value is computed, not which value.
pub(super) const FREE_KEYS: [&str; 10] = [
    "cache",
    "priority",
    "timeout",
    "start_timeout",
    "isolate",
    "ranks",
    "threads",
    "gpus",
    "scratch",
    "keep_scratch",
];

/// Whether the function gets parameters by their place, so that their order counts.
pub(super) fn takes_parameters_by_place(function: &Table) -> bool {
    function.get("library").is_some()
}

/// What values of a study are values of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// By combo.
    pub texts: Vec<String>,
    /// The files whose contents are part of it.
    pub files: Vec<String>,
}

/// The name of a cache without one of its own.
const DEFAULT_NAME: &str = "cache.h5";

const HELP: &str =
    "write cache = true for a file beside the checkpoints, or its path, as cache = \"shared/cache.h5\"";

/// Where known values are kept, if `[function] cache` says so: a path from the folder of the study file. Beside it `version` is
/// checked.
pub(super) fn cache(
    function: &Table,
    at: &Path,
    folder: &Path,
    name: &str,
) -> settings::Result<Option<PathBuf>> {
    function
        .text("version")
        .map_err(|problem| problem.help("write it as version = \"2\", and raise it when values change"))?;
    let Some(setting) = function.get("cache") else { return Ok(None) };
    let wrong = |message: &str| function.error("cache", message).help(HELP);
    let path = match &setting.value {
        SettingValue::Bool(false) => return Ok(None),
        SettingValue::Bool(true) => folder.join(DEFAULT_NAME),
        SettingValue::Text(path) => at.join(path),
        _ => return Err(wrong("`function.cache` is neither true nor false nor a path")),
    };
    if path.extension().is_none_or(|extension| extension != "h5") {
        return Err(wrong("`function.cache` has to end in .h5"));
    }
    let own = folder.join(format!("{name}.h5"));
    if std::path::absolute(&path).ok() == std::path::absolute(own).ok() {
        return Err(wrong("`function.cache` is the checkpoint of this study"));
    }
    Ok(Some(path))
}

impl Study {
    /// The text of the call of each combo: what `[function]` says (but for how it is run), the contents of the files that it names, the
    /// combo's parameters and how points are passed. Equal texts with equal arguments have equal values, if the function
    /// depends on nothing else; its `version` is for what else there is.
    ///
    /// # Errors
    /// A named file can't be read.
    pub fn calls(&self, signature: &Signature, combos: &[Parameters]) -> Result<Calls, StudyError> {
        let mut files = Map::new();
        for (name, digest) in files::named(&self.function, &self.folder()) {
            let digest = digest.map_err(|error| {
                self.error(self.function.error("cache", format!("can't read {name}: {error}")))
            })?;
            files.insert(name, digest.into());
        }
        let mut function = Map::new();
        for (key, _, setting) in self.function.entries() {
            if !FREE_KEYS.contains(&key.as_str()) {
                function.insert(key.clone(), canonical(&setting.value));
            }
        }
        function.sort_keys();
        let order = self.order();
        let text = |combo: &Parameters| {
            let mut parameters: Map<String, Json> =
                combo.0.iter().map(|(name, value)| (name.clone(), parameter(value))).collect();
            parameters.sort_keys();
            let mut call = serde_json::json!({
                "function": function,
                "files": files,
                "parameters": parameters,
                "coordinates": signature.names,
                "scalar": signature.scalar,
                "seeded": signature.seeded,
            });
            if let Some(order) = &order {
                call["order"] = order.clone();
            }
            call.to_string()
        };
        let texts = combos.iter().map(text).collect();
        Ok(Calls { texts, files: files.keys().cloned().collect() })
    }
}

impl Study {
    /// The names of the parameters in their order, where that counts.
    fn order(&self) -> Option<Json> {
        takes_parameters_by_place(&self.function).then(|| self.combos.names().collect())
    }

    /// A digest of what says which function is evaluated where: by it two processes see that they have read the same study.
    /// How it is run, goals and comments may differ.
    pub fn evaluated(&self) -> String {
        let root = super::tree::read(&self.text).unwrap_or_default();
        let of = |section: &str, counts: &dyn Fn(&str) -> bool| match root.get(section).map(|it| &it.value) {
            Some(SettingValue::Table(table)) => {
                let entries = table.entries().iter().filter(|(key, ..)| counts(key));
                let mut map: Map<String, Json> =
                    entries.map(|(key, _, setting)| (key.clone(), canonical(&setting.value))).collect();
                map.sort_keys();
                map.into()
            }
            other => other.map_or(Json::Null, canonical),
        };
        let parts = [
            of("function", &|key| !FREE_KEYS.contains(&key)),
            of("parameters", &|_| true),
            of("cases", &|_| true),
            self.order().into(),
            of("learner", &|key| SAMPLED.contains(&key)),
        ];
        super::sha256(Json::from(parts.to_vec()).to_string().as_bytes())
    }
}

/// Integers stay integers: a function may tell 2 from 2.0.
fn canonical(value: &SettingValue) -> Json {
    match value {
        SettingValue::Bool(b) => (*b).into(),
        SettingValue::Integer(i) => (*i).into(),
        SettingValue::Float(x) => json::from_number(*x),
        SettingValue::Text(text) | SettingValue::Datetime(text) => text.clone().into(),
        SettingValue::List(items) => items.iter().map(|item| canonical(&item.value)).collect(),
        SettingValue::Table(table) => {
            let mut map: Map<String, Json> = table
                .entries()
                .iter()
                .map(|(key, _, setting)| (key.clone(), canonical(&setting.value)))
                .collect();
            map.sort_keys();
            map.into()
        }
    }
}

fn parameter(value: &Parameter) -> Json {
    match value {
        Parameter::Bool(b) => (*b).into(),
        Parameter::Integer(i) => (*i).into(),
        Parameter::Float(x) => json::from_number(*x),
        Parameter::Text(text) => serde_json::json!({ "text": text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: &str = "[function]\npython = \"model.py:h\"\ncache = true\ntimeout = \"1min\"\n\
                         [parameters]\na = [1, 2.0]\n[learner]\ntype = \"1d\"\nbounds = [-1, 1]\n[goal]\nloss = 0.1\n";

    fn calls_of(text: &str, model: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.py"), model).unwrap();
        let study = Study::parse(text, folder.path().join("a.toml")).unwrap();
        let combos: Vec<_> = study.combos.iter().collect();
        study.calls(&Signature::line(), &combos).unwrap().texts
    }

    #[test]
    fn each_combo_has_a_call_of_its_own() {
        let calls = calls_of(STUDY, "");
        assert_eq!(calls.len(), 2);
        assert!(calls[0].contains(r#""parameters":{"a":1.0}"#), "{}", calls[0]);
        assert!(calls[1].contains(r#""parameters":{"a":2.0}"#), "{}", calls[1]);
    }

    #[test]
    fn what_may_change_the_value_changes_the_call() {
        let before = calls_of(STUDY, "def h(x, a): return 1");
        assert_eq!(calls_of(STUDY, "def h(x, a): return 1"), before);
        assert_ne!(calls_of(STUDY, "def h(x, a): return 2"), before);
        assert_ne!(calls_of(&STUDY.replace(":h", ":g"), "def h(x, a): return 1"), before);
        let versioned = STUDY.replace("cache", "version = \"2\"\ncache");
        assert_ne!(calls_of(&versioned, "def h(x, a): return 1"), before);
    }

    #[test]
    fn how_it_is_run_and_where_it_is_kept_do_not() {
        let before = calls_of(STUDY, "");
        let after = STUDY
            .replace("cache = true", "cache = \"x.h5\"\nthreads = 2\npriority = 3")
            .replace("1min", "2min");
        assert_eq!(calls_of(&after, ""), before);
        assert_eq!(calls_of(&STUDY.replace("[-1, 1]", "[0, 9]").replace("0.1", "0.2"), ""), before);
    }

    #[test]
    fn files_in_commands_count_too() {
        let study = |command: &str| STUDY.replace("python = \"model.py:h\"", command);
        for command in ["command = \"python3 model.py {x}\"", "command = ['sh', 'model.py', '{x}', '{a}']"] {
            assert_ne!(calls_of(&study(command), "1"), calls_of(&study(command), "2"), "{command}");
        }
        let script = study("command = ['sh', '-c', 'echo {x} {a} >> model.py']");
        assert_eq!(calls_of(&script, "1"), calls_of(&script, "2"));
    }

    #[test]
    fn the_order_of_parameters_counts_where_they_are_passed_by_place() {
        let (case, swapped) = ("a = 1\nb = 2\n", "b = 2\na = 1\n");
        for section in ["[parameters]", "[[cases]]"] {
            for (function, counts) in [("library = 'libmodel.so:h'", true), ("python = 'model.py:h'", false)]
            {
                let study = |parameters: &str| {
                    STUDY
                        .replace("[parameters]\na = [1, 2.0]\n", &format!("{section}\n{parameters}"))
                        .replace("python = \"model.py:h\"", function)
                };
                let digest = |text: &str| Study::parse(text, "a.toml").unwrap().evaluated();
                let (before, after) = (study(case), study(swapped));
                assert_eq!(calls_of(&before, "") != calls_of(&after, ""), counts, "{section} {function}");
                assert_eq!(digest(&before) != digest(&after), counts, "{section} {function}");
            }
        }
    }

    #[test]
    fn other_cases_are_another_evaluation() {
        let digest = |cases: &str| Study::parse(&format!("{STUDY}{cases}"), "a.toml").unwrap().evaluated();
        assert_ne!(digest("[[cases]]\nb = 1\n"), digest("[[cases]]\nb = 2\n"));
    }

    #[test]
    fn a_cache_is_a_file_of_its_own() {
        let at = |text: &str| {
            let study = Study::parse(&STUDY.replace("cache = true", text), "peak.toml");
            study.map(|study| study.cache).map_err(|error| error.to_string())
        };
        assert_eq!(at("cache = true").unwrap(), Some(PathBuf::from("data/cache.h5")));
        assert_eq!(at("cache = 'x/y.h5'").unwrap(), Some(PathBuf::from("x/y.h5")));
        assert_eq!(at("cache = false").unwrap(), None);
        assert!(at("cache = 3").unwrap_err().contains("neither true nor false nor a path"));
        assert!(at("cache = 'y.hdf'").unwrap_err().contains(".h5"));
        assert!(at("version = 2").unwrap_err().contains("version"));
        assert!(at("cache = 'data/peak.h5'").unwrap_err().contains("checkpoint of this study"));
    }
}
