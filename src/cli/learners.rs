use super::args::ReportArgs;
use super::exit::Exit;
use super::output;
use crate::learner::LEARNERS;
use crate::loss::INTERVAL_LOSSES;
use crate::loss::simplex::SIMPLEX_LOSSES;
use crate::loss::triangle::TRIANGLE_LOSSES;
use crate::report::{Align, TextTable};
use serde_json::{Value as Json, json};

/// The losses of some types of learners: name and description of each.
struct Losses {
    of: &'static [&'static str],
    named: Vec<(&'static str, &'static str)>,
}

/// All losses, by the learners that take them.
fn losses() -> [Losses; 3] {
    [
        Losses {
            of: &["1d", "average1d"],
            named: INTERVAL_LOSSES.iter().map(|kind| (kind.name, kind.about)).collect(),
        },
        Losses { of: &["2d"], named: TRIANGLE_LOSSES.iter().map(|kind| (kind.name, kind.about)).collect() },
        Losses { of: &["nd"], named: SIMPLEX_LOSSES.iter().map(|kind| (kind.name, kind.about)).collect() },
    ]
}

/// `adaptive-mpi learners`: the types of learners with their keys, and the losses of each.
pub(super) fn learners(args: ReportArgs) -> Exit {
    if args.json {
        let entry = |name: &str, about: &str| json!({"name": name, "about": about});
        let all: Vec<Json> = LEARNERS
            .iter()
            .map(|kind| {
                let own = losses().into_iter().filter(|losses| losses.of.contains(&kind.name));
                let own = own.flat_map(|losses| losses.named);
                let mut json = entry(kind.name, kind.about);
                json["losses"] = own.map(|(name, about)| entry(name, about)).collect();
                json
            })
            .collect();
        output::print(json!({ "learners": all }));
        return Exit::Done;
    }
    let table = |first: &str, second: &str| TextTable::new(&[(first, Align::Left), (second, Align::Left)]);
    let mut types = table("type", "what it learns: keys");
    for kind in LEARNERS {
        types.row([kind.name, kind.about]);
    }
    let mut text = types.to_string();
    for Losses { of, named } in losses() {
        let mut list = table(&format!("loss of {}", of.join(", ")), "what it looks at: keys");
        for (name, about) in named {
            list.row([name, about]);
        }
        text.push_str(&format!("\n{list}"));
    }
    text.push_str("\n`adaptive-mpi new --learner TYPE` writes a study with all keys of a type.\n");
    output::print(text.trim_end());
    Exit::Done
}
