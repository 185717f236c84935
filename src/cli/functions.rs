use super::args::ReportArgs;
use super::exit::Exit;
use super::output;
use crate::function::FUNCTIONS;
use crate::function::builtin::{BUILTINS, Dimension};
use crate::report::{Align, TextTable};
use serde_json::json;

/// `adaptive-mpi functions`: the kinds of functions, and the builtin ones.
pub(super) fn functions(args: ReportArgs) -> Exit {
    if args.json {
        let all: Vec<_> = BUILTINS
            .iter()
            .map(|builtin| {
                let parameters: serde_json::Map<_, _> = builtin
                    .parameters
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), json!(value)))
                    .collect();
                json!({
                    "name": builtin.name, "formula": builtin.formula, "about": builtin.about,
                    "dimension": dimension(builtin.dimension), "parameters": parameters,
                    "domain": [builtin.domain.0, builtin.domain.1],
                })
            })
            .collect();
        output::print(json!({ "builtin": all }));
        return Exit::Done;
    }
    let mut kinds = TextTable::new(&[("kind", Align::Left), ("what it is", Align::Left)]);
    for kind in FUNCTIONS {
        kinds.row([kind.name, kind.about]);
    }
    let columns = ["builtin", "dim", "formula", "parameters"].map(|name| (name, Align::Left));
    let mut table = TextTable::new(&columns);
    for builtin in BUILTINS {
        let parameters: Vec<String> =
            builtin.parameters.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        table.row([
            builtin.name.to_owned(),
            dimension(builtin.dimension),
            builtin.formula.to_owned(),
            parameters.join(", "),
        ]);
    }
    output::print(format!("{kinds}\n{table}"));
    Exit::Done
}

fn dimension(dimension: Dimension) -> String {
    match dimension {
        Dimension::Exactly(n) => n.to_string(),
        Dimension::Any => "any".to_owned(),
    }
}
