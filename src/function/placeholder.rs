//! Texts with places for the values of a call: arguments of commands, input files.

use super::{Call, Context};
use crate::model::settings::{Setting, SettingError, nearest};
use std::path::Path;

/// A text cut at its placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Coordinate(usize),
    Parameter(String),
    Seed,
    Point,
    Scratch,
    Study,
    Ranks(u32),
    Hosts,
}

/// Where a call is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// A folder for this evaluation alone.
    pub(super) scratch: &'a Path,
    /// The study's folder.
    pub(super) study: &'a Path,
    /// The hosts of the ranks that evaluate it, one for each.
    pub(super) hosts: &'a [String],
}

/// How braces that hold no placeholder are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Braces {
    /// In arguments: `{{` and `}}` stand for one brace, a single one that holds no name is an error.
    Doubled,
    /// In files, which have braces of their own (JSON, C, SPICE): only `{name}` is a placeholder, `{{name}}` stands
    /// for `{name}`, and all other braces for themselves.
    Own,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TemplateError {
    pub(super) message: String,
    pub(super) help: String,
}

impl TemplateError {
    pub(super) fn at(self, setting: &Setting) -> SettingError {
        SettingError::new(&setting.span, self.message).help(self.help)
    }
}

impl Template {
    /// Reads a text; its names are those of the coordinates, parameters, and of what every call has.
    pub(super) fn parse(text: &str, braces: Braces, context: &Context) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let doubled = ["{{", "}}"].into_iter().find(|d| rest.starts_with(d));
            rest = match (braces, doubled, placeholder(rest)) {
                (Braces::Doubled, Some(pair), _) => {
                    plain.push_str(&pair[..1]);
                    &rest[2..]
                }
                (Braces::Own, Some("{{"), _) if is_escaped(&rest[1..]) => {
                    let name = placeholder(&rest[1..]).unwrap_or_default();
                    plain.push_str(&rest[1..name.len() + 3]);
                    &rest[name.len() + 4..]
                }
                (_, _, Some(name)) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part(name, context)?);
                    &rest[name.len() + 2..]
                }
                (Braces::Own, ..) => {
                    plain.push_str(&rest[..1]);
                    &rest[1..]
                }
                (Braces::Doubled, ..) => {
                    return Err(TemplateError {
                        message: format!("a single `{}` in `{text}`", &rest[..1]),
                        help: "a brace of the text's own is written twice: `{{`, `}}`".into(),
                    });
                }
            };
        }
        plain.push_str(rest);
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// Whether any two calls with different values have different texts.
    pub(super) fn tells_apart(&self, context: &Context) -> bool {
        let has = |part| self.parts.contains(&part);
        let coordinates = (0..context.signature.names.len()).all(|i| has(Part::Coordinate(i)));
        let parameters = context.parameter_names.iter().all(|name| has(Part::Parameter(name.clone())));
        let has_all =
            (has(Part::Point) || coordinates) && parameters && (has(Part::Seed) || !context.signature.seeded);
        // 1 and 23 must not look as 12 and 3.
        let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let separates = |part: &Part| matches!(part, Part::Text(text) if !is_digits(text));
        let is_value = |part: &&Part| !matches!(part, Part::Text(_));
        has_all && self.parts.split(separates).all(|between| between.iter().filter(is_value).count() < 2)
    }

    /// Whether the call needs a scratch folder for this text.
    pub(super) fn wants_scratch(&self) -> bool {
        self.parts.contains(&Part::Scratch)
    }

    /// The text, if it has no placeholder.
    pub(super) fn fixed(&self) -> Option<&str> {
        match &self.parts[..] {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with the values of a call.
    pub(super) fn fill(&self, call: &Call<'_>, places: Places<'_>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Coordinate(i) => {
                    text.push_str(&number(call.point.get(*i).copied().unwrap_or(f64::NAN)))
                }
                Part::Parameter(name) => {
                    if let Some(value) = call.parameters.get(name) {
                        text.push_str(&value.to_string());
                    }
                }
                Part::Seed => text.push_str(&call.replica.to_string()),
                Part::Point => {
                    text.push_str(&call.point.iter().map(|x| number(*x)).collect::<Vec<_>>().join(" "));
                }
                Part::Scratch => text.push_str(&places.scratch.to_string_lossy()),
                Part::Study => text.push_str(&places.study.to_string_lossy()),
                Part::Ranks(ranks) => text.push_str(&ranks.to_string()),
                Part::Hosts => text.push_str(&hosts(places.hosts)),
            }
        }
        text
    }
}

/// Hosts with the number of their ranks, as launchers read it: `n1:2,n2:2`.
fn hosts(of_ranks: &[String]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for host in of_ranks {
        match counted.iter_mut().find(|(known, _)| known == host) {
            Some((_, count)) => *count += 1,
            None => counted.push((host, 1)),
        }
    }
    counted.iter().map(|(host, count)| format!("{host}:{count}")).collect::<Vec<_>>().join(",")
}

/// The shortest text that reads back to the same number.
fn number(x: f64) -> String {
    format!("{x:?}")
}

/// The name in `{name}…`.
fn placeholder(rest: &str) -> Option<&str> {
    let inside = rest.strip_prefix('{')?;
    let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let starts_well = inside.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (starts_well && inside[end..].starts_with('}')).then(|| &inside[..end])
}

/// Whether `{name}}…`, after a first brace, ends an escaped placeholder.
fn is_escaped(rest: &str) -> bool {
    placeholder(rest).is_some_and(|name| rest[name.len() + 2..].starts_with('}'))
}

fn part(name: &str, context: &Context) -> Result<Part, TemplateError> {
    let signature = &context.signature;
    if let Some(i) = signature.names.iter().position(|known| known == name) {
        return Ok(Part::Coordinate(i));
    }
    if context.parameter_names.iter().any(|known| known == name) {
        return Ok(Part::Parameter(name.to_owned()));
    }
    match name {
        "seed" if signature.seeded => Ok(Part::Seed),
        "point" => Ok(Part::Point),
        "scratch" => Ok(Part::Scratch),
        "study" => Ok(Part::Study),
        "ranks" if context.ranks > 1 => Ok(Part::Ranks(context.ranks)),
        "hosts" if context.ranks > 1 => Ok(Part::Hosts),
        _ => {
            let mut known: Vec<&str> = signature.names.iter().map(String::as_str).collect();
            known.extend(context.parameter_names.iter().map(String::as_str));
            known.extend(signature.seeded.then_some("seed"));
            known.extend(["point", "scratch", "study"]);
            known.extend(["ranks", "hosts"].into_iter().filter(|_| context.ranks > 1));
            let near = nearest(name, known.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("did you mean `{{{near}}}`? "));
            Err(TemplateError {
                message: format!("unknown placeholder `{{{name}}}`"),
                help: format!("{near}known: {}; a brace of the text's own is doubled", known.join(", ")),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Parameter, Parameters, Point, Signature};

    fn filled(text: &str, braces: Braces) -> Result<String, TemplateError> {
        let signature = Signature { names: vec!["x".into(), "y".into()], scalar: false, seeded: true };
        let parameters = Parameters(vec![("offset".into(), Parameter::Float(1.0))]);
        let context = Context {
            signature: signature.clone(),
            parameter_names: vec!["offset".into()],
            ranks: 3,
            ..Context::default()
        };
        let point = Point::new(&[0.1, 1e-30]);
        let call = Call { point: &point, replica: 9, parameters: &parameters, signature: &signature };
        let template = Template::parse(text, braces, &context)?;
        let hosts = ["n1".to_owned(), "n2".into(), "n1".into()];
        let places = Places { scratch: Path::new("/tmp/s"), study: Path::new("/study"), hosts: &hosts };
        Ok(template.fill(&call, places))
    }

    #[test]
    fn placeholders_are_filled_with_values_that_read_back_exactly() {
        assert_eq!(filled("-x={x},{y}", Braces::Doubled).unwrap(), "-x=0.1,1e-30");
        assert_eq!(filled("{offset} {seed} [{point}]", Braces::Doubled).unwrap(), "1.0 9 [0.1 1e-30]");
        assert_eq!(filled("{study}/sim {scratch}", Braces::Doubled).unwrap(), "/study/sim /tmp/s");
        assert_eq!(filled("", Braces::Doubled).unwrap(), "");
        assert_eq!(filled("-n {ranks} -host {hosts}", Braces::Doubled).unwrap(), "-n 3 -host n1:2,n2:1");
    }

    #[test]
    fn values_side_by_side_do_not_tell_calls_apart() {
        let signature = Signature { names: vec!["x".into(), "y".into()], scalar: false, seeded: false };
        let context = Context { signature, ..Context::default() };
        for (text, does) in [
            ("{study}/{x}-{y}", true),
            ("{point}", true),
            ("{x}", false),
            ("{x}{y}", false),
            ("{x}1{y}", false),
            ("{x}.0{y}.txt", false),
            ("{y}_1{x}.txt", true),
        ] {
            let template = Template::parse(text, Braces::Doubled, &context).unwrap();
            assert_eq!(template.tells_apart(&context), does, "{text}");
        }
    }

    #[test]
    fn braces_of_arguments_are_doubled() {
        assert_eq!(filled("{{print $1, {x}}}", Braces::Doubled).unwrap(), "{print $1, 0.1}");
        assert_eq!(filled("{print}}", Braces::Doubled).unwrap_err().message, "unknown placeholder `{print}`");
        for bad in ["{x", "x}", "{ x }", "{}"] {
            assert!(filled(bad, Braces::Doubled).unwrap_err().message.starts_with("a single"), "{bad}");
        }
    }

    #[test]
    fn braces_of_files_stand_for_themselves_unless_they_hold_a_name() {
        assert_eq!(filled(r#"{"a":{"x":{x}}}"#, Braces::Own).unwrap(), r#"{"a":{"x":0.1}}"#);
        assert_eq!(filled("{{x}} {r*2} {} {{ }}", Braces::Own).unwrap(), "{x} {r*2} {} {{ }}");
        let error = filled("R1 1 2 {ofset}", Braces::Own).unwrap_err();
        assert_eq!(error.message, "unknown placeholder `{ofset}`");
        assert!(error.help.starts_with("did you mean `{offset}`?"));
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        for text in ["{{", "}}", "{{x", "{{x}", "é{é}é", "{{{x}}}", "{_}", "{{{{x}}}}"] {
            let _ = filled(text, Braces::Doubled);
            let _ = filled(text, Braces::Own);
        }
        assert_eq!(filled("{{{x}}}", Braces::Doubled).unwrap(), "{0.1}");
    }
}
