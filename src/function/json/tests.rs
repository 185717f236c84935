use super::*;
use crate::model::Signature;
use proptest::prelude::*;

fn value(line: &str) -> Value {
    reply(line).unwrap().outcome.unwrap()
}

#[test]
fn a_request_holds_the_point_as_the_signature_says() {
    let parameters = Parameters(vec![("a".into(), Parameter::Float(1.0)), ("m".into(), "te".into())]);
    let signature = Signature::line();
    let point = Point::scalar(0.25);
    let mut call = Call { point: &point, replica: 7, parameters: &parameters, signature: &signature };
    assert_eq!(request(1, &call), r#"{"id":1,"point":0.25,"parameters":{"a":1.0,"m":"te"}}"#);
    let seeded = Signature { seeded: true, scalar: false, ..signature.clone() };
    call.signature = &seeded;
    assert_eq!(super::call(&call), r#"{"point":[0.25],"seed":7,"parameters":{"a":1.0,"m":"te"},"x":0.25}"#);
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[test]
fn values_are_numbers_lists_or_named_outputs() {
    assert_eq!(value(r#"{"id":1,"value":0.5}"#), Value::scalar(0.5));
    assert_eq!(value(r#"{"value":[[1,2],[3,true]]}"#), Value::vector(&[1.0, 2.0, 3.0, 1.0]));
    let named = value(r#"{"value":{"t":1,"r":[2,3]},"extra":{"n":1}}"#);
    assert_eq!(named.components[..], [1.0, 2.0, 3.0]);
    let detail = named.detail.unwrap();
    assert_eq!(detail.names, ["t", "r[0]", "r[1]"]);
    assert_eq!(detail.extra.as_deref(), Some(r#"{"n":1}"#));
}

#[test]
fn named_outputs_that_are_no_numbers_are_kept_as_extra() {
    let extra = |line: &str| {
        let value = value(line);
        assert_eq!((&value.components[..], value.detail.as_ref().unwrap().names.len()), (&[1.0, 2.0][..], 2));
        value.detail.unwrap().extra.unwrap()
    };
    let named = r#""fit":{"a":1},"y":1,"log":"ok","mixed":[3,"b"],"z":2"#;
    assert_eq!(
        extra(&format!(r#"{{"value":{{{named}}}}}"#)),
        r#"{"fit":{"a":1},"log":"ok","mixed":[3,"b"]}"#
    );
    let short = r#"{"value":{"y":1,"z":2,"log":"ok"},"extra":"#;
    assert_eq!(extra(&format!("{short}{{\"n\":3}}}}")), r#"{"log":"ok","n":3}"#);
    assert_eq!(extra(&format!("{short}[4]}}")), r#"{"log":"ok","extra":[4]}"#);
    let printed = output(&format!(r#"{{{named},"extra":{{"n":3}}}}"#)).unwrap().unwrap();
    assert!(printed.detail.unwrap().extra.unwrap().ends_with(r#""mixed":[3,"b"],"n":3}"#));
}

#[test]
fn numbers_that_json_lacks_are_read_bare_and_quoted() {
    let all = value(r#"{"value":[NaN,-Infinity,inf,"nan","-inf",-nan]}"#).components;
    assert!(all[0].is_nan() && all[3].is_nan() && all[5].is_nan());
    assert_eq!([all[1], all[2], all[4]], [f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY]);
    assert_eq!(quote_not_finite(r#"{"a":"NaN \" inf"}"#), r#"{"a":"NaN \" inf"}"#);
}

#[test]
fn what_is_no_value_is_refused_with_a_reason() {
    for (line, reason) in [
        ("hello", "not JSON"),
        ("3", "a reply is a JSON object"),
        (r#"{"id":1}"#, "neither"),
        (r#"{"value":null}"#, "not a number: null"),
        (r#"{"value":[]}"#, "empty"),
        (r#"{"value":"fast"}"#, "not a number"),
        (r#"{"value":{"a":{"b":1}}}"#, "not a number"),
    ] {
        let error = reply(line).unwrap_err();
        assert!(error.contains(reason), "{line}: {error}");
    }
}

#[test]
fn what_a_command_prints_is_a_reply_only_if_it_looks_like_one() {
    let named = |text: &str| {
        let value = output(text).unwrap().unwrap();
        (value.components.to_vec(), value.detail.map_or_else(Vec::new, |detail| detail.names))
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (text, components, expected) in [
        (r#"{"value":1.0,"std":0.2,"n":5}"#, &[1.0, 0.2, 5.0][..], &["value", "std", "n"][..]),
        (r#"{"mean":3,"error":1e-5}"#, &[3.0, 1e-5], &["mean", "error"]),
        (r#"{"value":3,"error":0.5}"#, &[3.0, 0.5], &["value", "error"]),
        (r#"{"y":3,"error":null}"#, &[3.0], &["y"]),
        (r#"{"id":1,"value":2,"error":null}"#, &[2.0], &[]),
        (r#"{"value":{"a":2},"extra":1}"#, &[2.0], &["a"]),
    ] {
        assert_eq!(named(text), (components.to_vec(), names(expected)), "{text}");
    }
    for text in [r#"{"error":"no convergence"}"#, r#"{"error":"no convergence","residual":0.3}"#] {
        assert_eq!(output(text).unwrap().unwrap_err().message, "no convergence");
    }
    assert_eq!(value(r#"{"id":1,"value":2,"error":null}"#), Value::scalar(2.0));
}

#[test]
fn only_a_line_that_answers_nothing_says_that_a_program_is_ready() {
    assert!(reply(r#"{"ready":true}"#).unwrap().ready);
    for line in
        [r#"{"ready":true,"value":1}"#, r#"{"ready":true,"error":"no"}"#, r#"{"ready":false,"value":1}"#]
    {
        assert!(!reply(line).unwrap().ready, "{line}");
    }
}

#[test]
fn errors_keep_their_kind_and_traceback() {
    let failed = Err(Failure::new(FailureKind::Panic, "it \"broke\"").with_detail("line 1\nline 2"));
    let read = reply(&answer(4, &failed)).unwrap();
    assert_eq!((read.id, read.outcome), (Some(4), failed));
}

proptest! {
    #[test]
    fn outcomes_and_requests_survive_the_wire_bit_by_bit(
        components in prop::collection::vec(any::<f64>(), 1..5),
        named: bool,
        seed: u64,
    ) {
        let mut value = Value::vector(&components);
        if named {
            let names = (0..components.len()).map(|i| format!("y{i}")).collect();
            value.detail = Some(Box::new(Detail { names, extra: Some("[1]".into()) }));
        }
        let back = reply(&answer(seed, &Ok(value.clone()))).unwrap();
        prop_assert_eq!(back.id, Some(seed));
        let back = back.outcome.unwrap();
        prop_assert_eq!(&back.detail, &value.detail);
        let same = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
        };
        prop_assert!(same(&back.components, &components));

        let signature = Signature { names: vec![], scalar: false, seeded: true };
        let parameters = Parameters(vec![
            ("a".into(), Parameter::Float(components[0])),
            ("i".into(), Parameter::Integer(seed as i64)),
            ("b".into(), Parameter::Bool(named)),
            ("s".into(), Parameter::Text(["inf", "nan", "-inf", "text"][components.len() - 1].into())),
        ]);
        let point = Point::new(&components);
        let call = Call { point: &point, replica: seed, parameters: &parameters, signature: &signature };
        let read = read_request(&request(3, &call)).unwrap();
        prop_assert!(same(&read.point, &point));
        prop_assert_eq!((read.id, read.seed), (3, Some(seed)));
        prop_assert_eq!(read.parameters.0[1..].to_vec(), parameters.0[1..].to_vec());
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in ".{0,80}") {
        let _ = reply(&line);
        let _ = read_request(&line);
        let _ = output(&line);
    }
}
