//! Comma-separated values, as spreadsheets, pandas and R read them (RFC 4180, lines end in LF).

use super::table::Cell;
use super::{Exporter, Rows};
use std::io::{self, Write};

/// `export --format csv`
pub const CSV: Exporter = Exporter { name: "csv", about: "comma-separated values, one line per row", write };

fn write(rows: &dyn Rows, out: &mut dyn Write) -> io::Result<()> {
    for (i, name) in rows.columns().into_iter().enumerate() {
        separate(out, i)?;
        text(out, &name)?;
    }
    out.write_all(b"\n")?;
    rows.for_each(&mut |cells| {
        for (i, cell) in cells.iter().enumerate() {
            separate(out, i)?;
            match cell {
                Cell::Absent => Ok(()),
                Cell::Count(n) => write!(out, "{n}"),
                // Debug writes the shortest digits that read back to the same number: 1.0, 1e300, NaN, inf.
                Cell::Number(x) => write!(out, "{x:?}"),
                Cell::Text(s) | Cell::Json(s) => text(out, s),
                Cell::Bool(b) => write!(out, "{b}"),
                Cell::Integer(i) => write!(out, "{i}"),
            }?;
        }
        out.write_all(b"\n")
    })?;
    out.flush()
}

fn separate(out: &mut dyn Write, i: usize) -> io::Result<()> {
    if i == 0 { Ok(()) } else { out.write_all(b",") }
}

fn text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    if text.contains([',', '"', '\n', '\r']) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}
