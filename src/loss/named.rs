//! A loss as a study names it: a name, or a table with a `name` and parameters. The same for every family of losses.

use crate::model::settings::{self, Setting, SettingValue, Table};
use std::sync::Arc;

/// What reading needs to know of a family of losses.
pub(super) struct Family<L: ?Sized + 'static> {
    /// Name and maker of each.
    pub(super) kinds: Vec<(&'static str, fn(&Table) -> settings::Result<Arc<L>>)>,
    /// How to write one, for advice: `"curvature", or as { name = "curvature", area_factor = 1.0 }`.
    pub(super) example: &'static str,
}

impl<L: ?Sized + 'static> Family<L> {
    /// Reads `loss` of a learner's table; `None` if it is absent.
    pub(super) fn read(&self, learner: &Table) -> settings::Result<Option<Arc<L>>> {
        let Some(setting) = learner.get("loss") else { return Ok(None) };
        match &setting.value {
            SettingValue::Text(name) => {
                let mut bare = Table::new(learner.path_of("loss"));
                bare.span = setting.span.clone();
                self.maker(name, setting)?(&bare).map(Some)
            }
            SettingValue::Table(table) => {
                let Some(name) = table.text("name")? else {
                    return Err(table.missing("name").help(format!("write it as {}", self.example)));
                };
                let loss = self.maker(name, table.get("name").unwrap_or(setting))?(table)?;
                table.finish()?;
                Ok(Some(loss))
            }
            _ => {
                let path = learner.path_of("loss");
                let message = format!("`{path}` should be a name or a table, but is {}", setting.kind());
                Err(learner.error("loss", message).help(format!("write it as {}", self.example)))
            }
        }
    }

    fn maker(&self, name: &str, at: &Setting) -> settings::Result<fn(&Table) -> settings::Result<Arc<L>>> {
        // Upstream's default is `default_loss`, whatever our own default is; `default` is its short name.
        let name = if name == "default_loss" { "default" } else { name };
        self.kinds.iter().find(|(known, _)| *known == name).map(|(_, make)| *make).ok_or_else(|| {
            let names = self.kinds.iter().map(|(known, _)| *known);
            settings::unknown(&at.span, &format!("unknown loss `{name}`"), name, names)
        })
    }
}
