use super::columns::{Columns, Row};
use super::{Ended, Fact, Failed, Header, Holder, Told};
use crate::model::Sample;

/// Everything that a checkpoint holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What the files say about their run; `None` if there are no files.
    pub header: Option<Header>,
    /// All told points, in the order told.
    pub columns: Columns,
    /// All failed attempts, in order.
    pub failures: Vec<Failed>,
    /// What was being evaluated when the newest snapshot was written and has had no result since.
    pub in_flight: Vec<Sample>,
    /// Values that arrived before their turn to be told (in a deterministic run), and have not been told since, in
    /// the order in which they arrived.
    pub early: Vec<Told>,
    /// What a user should know about the state of the files: one sentence each.
    pub notices: Vec<String>,
    /// What is known to be lost: one sentence each, with its file. Empty if every fact is there.
    pub losses: Vec<String>,
    /// How many snapshots had been written; 0 if there was none.
    pub generation: u64,
    /// When the newest snapshot was written, in seconds since 1970.
    pub written: Option<f64>,
    /// How the run ended, if nothing was told since.
    pub ended: Option<Ended>,
    /// Who holds the checkpoint, if somebody does.
    pub holder: Option<Holder>,
    /// The number of each failure among all facts.
    pub failure_numbers: Vec<u64>,
}

impl Loaded {
    /// All facts in the order in which they were told, to rebuild learners from. Where the components of
    /// values have names, the values name them.
    pub fn facts(&self) -> impl Iterator<Item = Fact> + '_ {
        let names = self.header.as_ref().map_or(&[][..], |header| &header.outputs);
        let failures =
            self.failures.iter().zip(&self.failure_numbers).map(|(failed, number)| (*number, failed));
        in_order(&self.columns, failures).map(|fact| match fact {
            Borrowed::Told(row) => {
                let Told { sample, mut value, meta } = row.told();
                if !names.is_empty() && names.len() == value.components.len() {
                    value.detail.get_or_insert_default().names = names.to_vec();
                }
                Fact::Told(Told { sample, value, meta })
            }
            Borrowed::Failed(failed) => Fact::Failed(failed.clone()),
        })
    }

    /// Number of facts: points told and attempts failed.
    pub fn len(&self) -> usize {
        self.columns.len() + self.failures.len()
    }

    /// Whether there are no facts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A fact where it lies.
pub(super) enum Borrowed<'a> {
    Told(Row<'a>),
    Failed(&'a Failed),
}

/// Points and failures in the order in which they came.
pub(super) fn in_order<'a>(
    columns: &'a Columns,
    failures: impl Iterator<Item = (u64, &'a Failed)>,
) -> impl Iterator<Item = Borrowed<'a>> {
    let mut rows = columns.iter();
    let mut failures = failures.peekable();
    let mut number = 0;
    std::iter::from_fn(move || {
        let failed = failures.next_if(|(at, _)| *at <= number).map(|(_, failed)| Borrowed::Failed(failed));
        number += 1;
        failed
            .or_else(|| rows.next().map(Borrowed::Told))
            .or_else(|| failures.next().map(|(_, failed)| Borrowed::Failed(failed)))
    })
}
