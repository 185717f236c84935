//! What learners have to show beside their loss, as text and as JSON: for an integral or a mean it is the result.

use crate::learner::Learner;
use crate::model::json::from_number;
use crate::model::shown;
use serde_json::Value as Json;

/// The learners of a study: the children of a balancing learner, or the one that there is.
pub(super) fn each(learner: &dyn Learner) -> Box<dyn Iterator<Item = &dyn Learner> + '_> {
    match learner.children() {
        Some(children) => Box::new(children.iter().map(AsRef::as_ref)),
        None => Box::new(std::iter::once(learner)),
    }
}

/// The figures of one learner as one object.
pub(super) fn json(learner: &dyn Learner) -> Json {
    let named = learner.figures().into_iter().map(|(name, x)| (name.to_owned(), from_number(x)));
    Json::Object(named.collect())
}

/// The figures of one learner in one line, a result with its uncertainty: `igral 0.25 ± 3.1e-9, n_intervals 7`. Empty if
/// there are none.
pub(super) fn text(learner: &dyn Learner) -> String {
    let figures = learner.figures();
    let of = |name: &str| figures.iter().find(|figure| figure.0 == name).map(|figure| figure.1);
    let one = |(name, x): &(&str, f64)| match *name {
        "igral" => format!("igral {}{}", shown(*x), uncertainty(of("err"))),
        // Upstream's `std` is that of the values, not that of their mean.
        "mean" => {
            let n = learner.npoints().max(1) as f64;
            format!("mean {}{}", shown(*x), uncertainty(of("std").map(|std| std / n.sqrt())))
        }
        _ => format!("{name} {}", shown(*x)),
    };
    let said = |name: &str| name == "err" && of("igral").is_some();
    figures.iter().filter(|(name, _)| !said(name)).map(one).collect::<Vec<_>>().join(", ")
}

fn uncertainty(error: Option<f64>) -> String {
    error.map_or_else(String::new, |error| format!(" ± {error:.1e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{AverageLearner, Learner1D};
    use crate::loss::default_interval_loss;
    use crate::model::Value;

    #[test]
    fn a_mean_is_shown_with_its_own_error_and_the_spread_of_the_values() {
        let mut learner = AverageLearner::new(Some(0.1), None, 2).unwrap();
        for (next, y) in learner.ask(4).iter().zip([1.0, 3.0, 1.0, 3.0]) {
            learner.tell(&next.sample, &Value::scalar(y)).unwrap();
        }
        let std = learner.figures()[1].1;
        assert_eq!(text(&learner), format!("mean 2 ± {:.1e}, std {std}", std / 2.0));
        assert_eq!(json(&learner)["mean"], 2.0);
    }

    #[test]
    fn a_learner_without_figures_has_nothing_to_say() {
        let learner = Learner1D::new((0.0, 1.0), default_interval_loss()).unwrap();
        assert_eq!((text(&learner), json(&learner)), (String::new(), serde_json::json!({})));
        assert_eq!(each(&learner).count(), 1);
    }
}
