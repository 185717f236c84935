//! One JSON object: the header, the columns' names, and the rows as lists.

use super::table::Cell;
use super::{Exporter, Rows};
use std::io::{self, Write};

/// `export --format json`
pub const JSON: Exporter =
    Exporter { name: "json", about: "one object: name, study, columns, and rows as lists", write };

fn write(rows: &dyn Rows, out: &mut dyn Write) -> io::Result<()> {
    let study = rows.study();
    out.write_all(b"{\n\"name\": ")?;
    value(out, &study.map(|(name, _)| name))?;
    out.write_all(b",\n\"study\": ")?;
    value(out, &study.map(|(_, text)| text))?;
    out.write_all(b",\n\"columns\": ")?;
    value(out, &rows.columns())?;
    out.write_all(b",\n\"rows\": [")?;
    let mut first = true;
    rows.for_each(&mut |cells| {
        out.write_all(if std::mem::take(&mut first) { b"\n[" } else { b",\n[" })?;
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                out.write_all(b", ")?;
            }
            match cell {
                Cell::Absent => out.write_all(b"null"),
                Cell::Count(n) => value(out, n),
                Cell::Number(x) => number(out, *x),
                Cell::Bool(b) => value(out, b),
                Cell::Integer(i) => value(out, i),
                Cell::Text(s) => value(out, s),
                Cell::Json(text) => json(out, text),
            }?;
        }
        out.write_all(b"]")
    })?;
    out.write_all(b"\n]\n}\n")?;
    out.flush()
}

fn value<T: serde::Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}

/// JSON has no NaN and no infinities: they become the texts that Python's `float` reads.
fn number(out: &mut dyn Write, x: f64) -> io::Result<()> {
    if x.is_finite() { value(out, &x) } else { write!(out, "\"{x}\"") }
}

/// What a function kept as JSON is embedded as such; anything else as text.
fn json(out: &mut dyn Write, text: &str) -> io::Result<()> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(parsed) => value(out, &parsed),
        Err(_) => value(out, &text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::super::{CSV, EXPORTERS, Exporter};
    use super::*;
    use crate::checkpoint::{Columns, Header, Loaded, Meta, Told};
    use crate::model::{Detail, Parameter, Parameters, Point, Sample, Value};

    const AWKWARD: [f64; 6] = [0.1, 1e300, -5e-324, -0.0, 123456789.12345679, 1.0];

    fn loaded() -> Loaded {
        let mut columns = Columns::default();
        for (i, x) in AWKWARD.into_iter().enumerate() {
            let mut value = Value::vector(&[x, f64::NAN][..1 + i % 2]);
            if i == 2 {
                value.detail =
                    Some(Box::new(Detail { names: vec![], extra: Some("{\"t\": [1, \"a,b\"]}".into()) }));
            }
            let sample = Sample { learner: i as u32 % 2, replica: 7, point: Point::scalar(x) };
            let meta = Meta { worker: 3, attempt: 1, started: 1.5e9, duration: x };
            columns.push(&Told { sample, value, meta });
        }
        let parameters = |a: i64, b: &str| {
            Parameters(vec![("a".into(), Parameter::Integer(a)), ("b".into(), Parameter::Text(b.into()))])
        };
        let learners = vec![parameters(1, "plain"), parameters(-2, "with \"quotes\", commas")];
        let header = Header { dimensions: vec!["a".into()], learners, ..Header::new("test") };
        Loaded { header: Some(header), columns, ..Loaded::default() }
    }

    fn written(exporter: &Exporter, loaded: &Loaded) -> String {
        let mut out = Vec::new();
        (exporter.write)(&Table::new(loaded), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_reads_back_to_the_same_numbers() {
        let parsed: serde_json::Value = serde_json::from_str(&written(&JSON, &loaded())).unwrap();
        let columns = ["learner", "a", "b", "a_", "value_0", "value_1", "replica", "worker", "attempt"];
        assert_eq!(parsed["columns"].as_array().unwrap()[..9], columns.map(serde_json::Value::from));
        for (i, x) in AWKWARD.into_iter().enumerate() {
            let row = &parsed["rows"][i];
            assert_eq!(row[3].as_f64().unwrap().to_bits(), x.to_bits());
            assert_eq!(row[10].as_f64().unwrap().to_bits(), x.to_bits());
            assert_eq!(row[5], if i % 2 == 0 { serde_json::Value::Null } else { "NaN".into() });
        }
        assert_eq!(parsed["rows"][2][11]["t"][1], "a,b");
    }

    #[test]
    fn csv_quotes_what_needs_it_and_keeps_all_digits() {
        let text = written(&CSV, &loaded());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "learner,a,b,a_,value_0,value_1,replica,worker,attempt,started,duration,extra");
        assert_eq!(lines[1], "0,1,plain,0.1,0.1,,7,3,1,1500000000.0,0.1,");
        assert_eq!(
            lines[2],
            "1,-2,\"with \"\"quotes\"\", commas\",1e300,1e300,NaN,7,3,1,1500000000.0,1e300,"
        );
        assert!(lines[3].ends_with(",\"{\"\"t\"\": [1, \"\"a,b\"\"]}\""));
        for (line, x) in lines[1..].iter().zip(AWKWARD) {
            let last = line.split(",7,3,1,1500000000.0,").nth(1).unwrap().split(',').next().unwrap();
            assert_eq!(last.parse::<f64>().unwrap().to_bits(), x.to_bits());
        }
    }

    #[test]
    fn an_empty_checkpoint_has_a_head_and_no_rows() {
        for exporter in EXPORTERS {
            let text = written(exporter, &Loaded::default());
            assert!(text.contains("learner") && text.contains("duration"), "{}: {text}", exporter.name);
        }
    }
}
