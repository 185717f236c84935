//! Small tables of text with aligned columns.

use std::fmt;

/// On which side the cells of a column are flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Text.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// A table: a line of headings, then rows. Columns are two spaces apart, lines have no trailing spaces.
#[derive(Clone, Debug, Default)]
pub struct TextTable {
    headings: Vec<String>,
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// An empty table with these columns.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        let (headings, aligns) =
            columns.iter().map(|(heading, align)| ((*heading).to_owned(), *align)).unzip();
        Self { headings, aligns, rows: Vec::new() }
    }

    /// Appends a row. Missing cells are empty, surplus ones are dropped; line breaks and other control characters
    /// in a cell become spaces.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let one_line = |cell: String| cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut row: Vec<String> = cells.into_iter().map(Into::into).map(one_line).collect();
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
    }

    /// Number of rows, without the headings.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.headings).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        for row in lines() {
            let mut line = String::new();
            for ((cell, width), align) in row.iter().zip(&widths).zip(&self.aligns) {
                match align {
                    Align::Left => line.push_str(&format!("{cell:<width$}  ")),
                    Align::Right => line.push_str(&format!("{cell:>width$}  ")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table =
            TextTable::new(&[("learner", Align::Left), ("points", Align::Right), ("note", Align::Left)]);
        table.row(["a=1", "12,345", ""]);
        table.row(["offset=é", "7", "two\nlines"]);
        assert_eq!(
            table.to_string(),
            "learner   points  note\n\
             a=1       12,345\n\
             offset=é       7  two lines\n"
        );
    }

    #[test]
    fn rows_of_any_length_fit_the_columns() {
        let mut table = TextTable::new(&[("a", Align::Left), ("b", Align::Right)]);
        table.row(["1"]);
        table.row(["1", "2", "3"]);
        assert_eq!((table.to_string().as_str(), table.len()), ("a  b\n1\n1  2\n", 2));
    }
}
