use crate::checkpoint::Loaded;
use crate::model::{Detail, Failure, FailureKind, Value};

/// The names of a function's outputs, in the order of the first value that had names.
///
/// Components are stored by place, under one list of names for the whole file. So all values have to agree on it: those
/// with the same names in another order are put in order, others are refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs(Vec<String>);

impl Outputs {
    /// As a checkpoint has them.
    pub(super) fn of(loaded: &Loaded) -> Self {
        Self(loaded.header.as_ref().map(|header| header.outputs.clone()).unwrap_or_default())
    }

    /// Takes the names of the first value that has some.
    pub(super) fn note(&mut self, value: &Value) {
        if let (true, Some(detail)) = (self.0.is_empty(), &value.detail) {
            self.0.clone_from(&detail.names);
        }
    }

    /// Puts the components of a value in the order of all others.
    pub(super) fn arrange(&self, value: &mut Value) -> Result<(), Failure> {
        if value.arrange(&self.0) {
            return Ok(());
        }
        let names = value.detail.as_ref().map_or_else(String::new, |detail| detail.names.join(", "));
        let message = format!(
            "the function returned the outputs {names}, but {} before: what varies can be returned as `extra`",
            self.0.join(", ")
        );
        Err(Failure::new(FailureKind::WrongShape, message))
    }

    /// Gives the components of a stored value their names again.
    pub(super) fn name(&self, value: &mut Value) {
        if !self.0.is_empty() && self.0.len() == value.components.len() {
            value.detail.get_or_insert_with(Box::<Detail>::default).names.clone_from(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(outputs: &[(&str, f64)]) -> Value {
        let mut value = Value::vector(&outputs.iter().map(|(_, y)| *y).collect::<Vec<_>>());
        let names = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
        value.detail = Some(Box::new(Detail { names, extra: None }));
        value
    }

    #[test]
    fn the_first_value_with_names_decides_their_order() {
        let mut outputs = Outputs::default();
        let mut bare = Value::vector(&[1.0, 2.0]);
        outputs.arrange(&mut bare).unwrap();
        outputs.note(&value(&[("a", 1.0), ("b", 2.0)]));
        let mut other = value(&[("b", 2.0), ("a", 1.0)]);
        outputs.arrange(&mut other).unwrap();
        assert_eq!(other, value(&[("a", 1.0), ("b", 2.0)]));
        outputs.name(&mut bare);
        assert_eq!(bare, other);
    }

    #[test]
    fn other_outputs_than_before_are_refused() {
        let outputs = Outputs(vec!["a".into(), "b".into()]);
        for other in [&[("a", 1.0)][..], &[("a", 1.0), ("c", 2.0)], &[("a", 1.0), ("b", 1.0), ("c", 1.0)]] {
            let failure = outputs.arrange(&mut value(other)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::WrongShape);
            assert!(failure.message.contains("but a, b before"), "{failure}");
        }
        let mut scalar = Value::scalar(1.0);
        outputs.name(&mut scalar);
        assert_eq!(scalar, Value::scalar(1.0));
    }
}
