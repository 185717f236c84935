//! Where an interpolant is wanted: reading grids, slices and files of points.

use super::super::exit::{CommandError, Exit};
use crate::model::settings::nearest;
use crate::model::shown;
use crate::report::grid::Points;
use std::path::Path;

/// Rows that one table may have: beyond this a file is of no use to anybody.
pub(super) const MOST_ROWS: usize = 200_000_000;

/// A coordinate that is the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) axis: usize,
    pub(super) at: f64,
}

pub(super) fn usage(message: impl std::fmt::Display, help: impl Into<String>) -> CommandError {
    CommandError::new(Exit::Usage, message).help(help)
}

/// A name that nobody knows.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> CommandError {
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    };
    usage(format!("there is no {what} `{name}`"), help)
}

/// Splits `name=value`.
pub(super) fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), CommandError> {
    text.split_once('=').map(|(name, value)| (name.trim(), value.trim())).ok_or_else(|| {
        usage(format!("{option} {text} lacks a value"), format!("write it as {option} name=1"))
    })
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The coordinates that `--slice` fixes, within the bounds of all learners: beyond them nothing is known, now and ever.
pub(super) fn fixed(
    slice: &[String],
    names: &[String],
    bounds: &[(f64, f64)],
) -> Result<Vec<Fixed>, CommandError> {
    let mut all: Vec<Fixed> = Vec::new();
    for text in slice {
        let (name, value) = pair("--slice", text)?;
        let axis = names.iter().position(|known| known == name);
        let axis = axis.ok_or_else(|| unknown("coordinate", name, &strs(names)))?;
        let at = value.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| {
            usage(format!("--slice: `{value}` is not a number"), format!("write it as --slice {name}=0.5"))
        })?;
        if let Some((lo, hi)) = bounds.get(axis).filter(|(lo, hi)| !(*lo..=*hi).contains(&at)) {
            let message = format!("--slice {name}={value} is outside of the domain");
            return Err(usage(message, format!("take {name} from {} to {}", shown(*lo), shown(*hi))));
        }
        if all.iter().any(|fixed| fixed.axis == axis) {
            return Err(usage(format!("--slice fixes `{name}` twice"), "keep one of them"));
        }
        all.push(Fixed { axis, at });
    }
    Ok(all)
}

/// How many points along each free coordinate: `200` is 200 along each, `200x100` one number for each.
pub(super) fn counts(text: &str, free: &[&str]) -> Result<Vec<usize>, CommandError> {
    let parsed: Option<Vec<usize>> =
        text.split('x').map(|n| n.trim().parse().ok().filter(|n| *n >= 1)).collect();
    match parsed.as_deref() {
        Some(&[n]) => Ok(vec![n; free.len()]),
        Some(counts) if counts.len() == free.len() => Ok(counts.to_vec()),
        Some(counts) => Err(usage(
            format!(
                "--grid {text} has {} numbers, but {} coordinates vary: {}",
                counts.len(),
                free.len(),
                free.join(", ")
            ),
            "give one number for all, or one for each of them",
        )),
        None => Err(usage(
            format!("--grid {text} is no number of points"),
            "write it as --grid 200 or --grid 200x100, after the study's name if there is one",
        )),
    }
}

/// Points from a CSV file. With a line of names, columns are found by them and others are ignored; without, there is
/// one column for each coordinate.
pub(super) fn read(path: &Path, names: &[String]) -> Result<Points, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        usage(format!("{} can't be read: {error}", path.display()), "give a CSV file of points")
    })?;
    parse(&text, names).map_err(|mut error| {
        error.message = format!("{}{}", path.display(), error.message);
        error
    })
}

fn parse(text: &str, names: &[String]) -> Result<Points, CommandError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let cell = |cell: &'_ str| cell.trim().trim_matches('"').to_owned();
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let mut columns: Option<Vec<usize>> = None;
    let mut rows = Vec::new();
    for (number, line) in lines {
        let cells: Vec<String> = line.split(',').map(cell).collect();
        let here = format!(":{}", number + 1);
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let is_head = cells.iter().any(|cell| cell.parse::<f64>().is_err());
                let found = if is_head {
                    let titles: Vec<&str> = cells.iter().map(String::as_str).collect();
                    let place = |name: &String| {
                        titles.iter().position(|title| title == name).ok_or_else(|| {
                            let help = match nearest(name, titles.iter().copied()) {
                                Some(near) => format!("did you mean `{name}` by `{near}`?"),
                                None => format!("it should have the columns {}", names.join(", ")),
                            };
                            usage(format!("{here} has no column `{name}`"), help)
                        })
                    };
                    names.iter().map(place).collect::<Result<Vec<_>, _>>()?
                } else if cells.len() == names.len() {
                    (0..names.len()).collect()
                } else {
                    return Err(usage(
                        format!(
                            "{here} has {} columns, but points have {} coordinates",
                            cells.len(),
                            names.len()
                        ),
                        format!("write a first line with names among which are {}", names.join(", ")),
                    ));
                };
                let columns = columns.insert(found);
                if is_head {
                    continue;
                }
                columns
            }
        };
        for (column, name) in columns.iter().zip(names) {
            let text = cells.get(*column).map_or("", String::as_str);
            let x = text.parse::<f64>().map_err(|_| {
                usage(format!("{here}: {name} is not a number: `{text}`"), "write numbers as 0.5 or 1e-3")
            })?;
            rows.push(x);
        }
    }
    if rows.is_empty() {
        return Err(usage(" has no points", "write one point per line"));
    }
    Ok(Points::Given { dim: names.len(), rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["x".into(), "y".into()]
    }

    fn given(text: &str) -> Result<Vec<f64>, String> {
        match parse(text, &names()) {
            Ok(Points::Given { dim: 2, rows }) => Ok(rows),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(format!("{} | {}", error.message, error.help)),
        }
    }

    #[test]
    fn points_are_read_with_and_without_a_head() {
        assert_eq!(given("0.5,1\n\n# more\n2,-3e2\n"), Ok(vec![0.5, 1.0, 2.0, -300.0]));
        assert_eq!(given("y,note,\"x\"\r\n1,a,2\r\n3,b,4\r\n"), Ok(vec![2.0, 1.0, 4.0, 3.0]));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let wrong = |text: &str| given(text).unwrap_err();
        assert!(wrong("").contains("no points"));
        assert!(wrong("1,2,3\n").starts_with(":1 has 3 columns, but points have 2"));
        assert!(wrong("x,z\n1,2\n").starts_with(":1 has no column `y`"));
        assert!(wrong("1,2\n3,oops\n").starts_with(":2: y is not a number: `oops`"));
        assert!(wrong("1,2\n3\n").starts_with(":2: y is not a number: ``"));
    }

    #[test]
    fn slices_name_coordinates_once() {
        let bounds = [(0.0, 1.0), (-1.0, 2.0)];
        let fix = |text: &[&str]| {
            fixed(&text.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>(), &names(), &bounds)
        };
        assert_eq!(fix(&["y=-0.5"]).unwrap(), [Fixed { axis: 1, at: -0.5 }]);
        assert!(fix(&["yy=1"]).unwrap_err().help.contains("did you mean `y`"));
        assert!(fix(&["y"]).unwrap_err().message.contains("lacks a value"));
        assert!(fix(&["y=high"]).unwrap_err().message.contains("`high` is not a number"));
        assert_eq!(fix(&["x=0", "y=2"]).unwrap().len(), 2, "borders belong to the domain");
        let outside = fix(&["y=7"]).unwrap_err();
        assert_eq!(outside.message, "--slice y=7 is outside of the domain");
        assert_eq!(outside.help, "take y from -1 to 2");
        assert!(fix(&["y=1", "y=2"]).unwrap_err().message.contains("twice"));
    }

    #[test]
    fn grids_have_one_number_or_one_for_each_coordinate() {
        assert_eq!(counts("20", &["x", "y"]).unwrap(), [20, 20]);
        assert_eq!(counts("20x3", &["x", "y"]).unwrap(), [20, 3]);
        assert!(counts("20x3", &["x"]).unwrap_err().message.contains("2 numbers, but 1 coordinates vary: x"));
        for wrong in ["study.toml", "0", "-3", "2x", "1e3"] {
            assert!(counts(wrong, &["x"]).unwrap_err().help.contains("--grid 200x100"), "{wrong}");
        }
    }
}
