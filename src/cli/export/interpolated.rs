//! Interpolants and level sets of the learners of a study.

use super::super::args::{ExportArgs, InterpolationArgs, TriangulationKind};
use super::super::exit::{CommandError, Exit};
use super::super::open::{Rebuilt, rebuild};
use super::points::{self, Fixed, usage};
use super::{Format, select, write};
use crate::checkpoint::Loaded;
use crate::learner::{Learner, Loss};
use crate::model::settings::nearest;
use crate::report::export::usual_outputs;
use crate::report::grid::{MOST_POINTS, Points, fine_enough};
use crate::report::{LevelSetError, LevelSets, Part, Sheet, SheetError, Triangles};
use crate::study::Study;

/// Whether anything else than the table of points is asked for.
pub(super) fn wanted(args: &InterpolationArgs) -> bool {
    args.grid.is_some() || args.at.is_some() || !args.slice.is_empty() || !args.isoline.is_empty()
}

/// Whether the arguments fit together, as far as they say themselves.
pub(super) fn check(args: &InterpolationArgs) -> Result<(), CommandError> {
    if args.triangulation == TriangulationKind::Delaunay || wanted(args) {
        return Ok(());
    }
    Err(usage(
        "--triangulation is of no use for the table of points",
        "say what to interpolate, as in --grid 200, --at points.csv or --isoline 0.5",
    ))
}

/// Rebuilds the learners from the checkpoint, and writes what they make of their values.
pub(super) fn export(
    args: &ExportArgs,
    study: &Study,
    loaded: &Loaded,
    format: Format,
) -> Result<Exit, CommandError> {
    let wish = &args.interpolation;
    let Rebuilt { engine, combos, signature, .. } = rebuild(study, loaded)?;
    let learners: Vec<&dyn Learner> = match engine.learner().children() {
        Some(children) => children.iter().map(AsRef::as_ref).collect(),
        None => vec![engine.learner()],
    };
    let triangles = triangles(wish, &signature.names)?;
    let parts: Vec<Part<'_>> = select::selected(wish, &combos)?
        .into_iter()
        .map(|index| Part { index, parameters: &combos[index], learner: learners[index], triangles })
        .collect();
    let bounds = common_bounds(&parts)?;
    let names = &signature.names;
    let header = loaded.header.as_ref();
    // Those of the table of points, as far as they are learned.
    let outputs = match header {
        Some(header) if !header.outputs.is_empty() => header.outputs.clone(),
        _ => usual_outputs(loaded.columns.y_width()),
    };
    let outputs = parts.first().map_or_else(Vec::new, |part| part.learner.learned(outputs));
    let about = header.map(|header| (header.name.clone(), header.study_text.clone()));
    if !wish.isoline.is_empty() {
        let Format::Rows(exporter) = format else {
            return Err(usage("isolines are exported as csv or json", "choose one by --format"));
        };
        if let Some(level) = wish.isoline.iter().find(|level| !level.is_finite()) {
            return Err(usage(format!("--isoline {level} is no finite number"), "write it as --isoline 0.5"));
        }
        let fixed = points::fixed(&wish.slice, names, &bounds)?;
        if fixed.len() == names.len() {
            return Err(all_fixed());
        }
        let fixed: Vec<(usize, f64)> = fixed.iter().map(|fixed| (fixed.axis, fixed.at)).collect();
        let mut sets = LevelSets::new(&parts, names, &fixed, &outputs, wish.of.as_deref(), &wish.isoline)
            .map_err(|error| no_level_sets(error, &parts))?;
        sets.study = about;
        return write(args, exporter, &sets);
    }
    let points = match &wish.at {
        Some(path) => points::read(path, names)?,
        None => grid(wish, &parts, names, &bounds)?,
    };
    let mut sheet = Sheet::new(&parts, names, &outputs, points).map_err(|error| no_sheet(error, &parts))?;
    sheet.study = about;
    match format {
        Format::Rows(exporter) => write(args, exporter, &sheet),
        Format::Hdf5 => labelled(args, &sheet),
    }
}

/// The triangles that are asked for.
fn triangles(wish: &InterpolationArgs, names: &[String]) -> Result<Triangles, CommandError> {
    match wish.triangulation {
        TriangulationKind::Delaunay => Ok(Triangles::Delaunay),
        TriangulationKind::DataDependent if names.len() == 2 => Ok(Triangles::DataDependent),
        TriangulationKind::DataDependent => Err(usage(
            format!("data-dependent triangulations are for 2 coordinates, but there are {}", names.len()),
            "leave out --triangulation; slices of more coordinates have no points of their own to triangulate",
        )),
    }
}

/// The box around the domains of all learners.
fn common_bounds(parts: &[Part<'_>]) -> Result<Vec<(f64, f64)>, CommandError> {
    let mut common: Option<Vec<(f64, f64)>> = None;
    for part in parts {
        let kind = part.learner.kind();
        let Some(bounds) = part.learner.bounding_box() else {
            let message = format!("the learner `{kind}` has no domain on which values could be interpolated");
            return Err(usage(
                message,
                "without --grid, --at, --slice and --isoline, `export` writes its points",
            ));
        };
        match &mut common {
            None => common = Some(bounds),
            Some(common) => {
                for (all, one) in common.iter_mut().zip(bounds) {
                    *all = (all.0.min(one.0), all.1.max(one.1));
                }
            }
        }
    }
    Ok(common.unwrap_or_default())
}

/// The grid that the arguments describe, over all learners.
fn grid(
    wish: &InterpolationArgs,
    parts: &[Part<'_>],
    names: &[String],
    bounds: &[(f64, f64)],
) -> Result<Points, CommandError> {
    let fixed = points::fixed(&wish.slice, names, bounds)?;
    let free: Vec<usize> =
        (0..names.len()).filter(|axis| !fixed.iter().any(|f: &Fixed| f.axis == *axis)).collect();
    if free.is_empty() {
        return Err(all_fixed());
    }
    let counts = match wish.grid.as_deref().unwrap_or_default() {
        "" => {
            let scales: Vec<f64> = bounds.iter().map(|(lo, hi)| hi - lo).collect();
            let finest = parts.iter().filter_map(|part| part.learner.interpolant());
            let finest = finest.map(|interpolant| fine_enough(&interpolant, &scales)).max().unwrap_or(10);
            // Many learners together get as much as one of them alone may have, but not nothing.
            let share = MOST_POINTS as f64 / parts.len() as f64;
            let most = share.powf(1.0 / free.len() as f64).max(10.0) as usize;
            let finest = if parts.len() == 1 { finest } else { finest.min(most) };
            vec![finest; free.len()]
        }
        text => points::counts(text, &free.iter().map(|axis| names[*axis].as_str()).collect::<Vec<_>>())?,
    };
    let mut all = vec![1; names.len()];
    free.iter().zip(counts).for_each(|(axis, count)| all[*axis] = count);
    let all_points = all.iter().fold(1usize, |product, count| product.saturating_mul(*count));
    if all_points.saturating_mul(parts.len()) > points::MOST_ROWS {
        return Err(usage(
            format!(
                "a grid of {all_points} points for each of {} learners is too much for one file",
                parts.len()
            ),
            "take fewer points, or fewer learners at once by --learner",
        ));
    }
    let Points::Grid(mut axes) = Points::even(bounds, &all) else { return Ok(Points::Grid(Vec::new())) };
    fixed.iter().for_each(|Fixed { axis, at }| axes[*axis] = vec![*at]);
    Ok(Points::Grid(axes))
}

fn all_fixed() -> CommandError {
    usage("--slice fixes all coordinates", "leave one or more of them free, or give points by --at")
}

fn too_few(parts: &[Part<'_>]) -> CommandError {
    let npoints: usize = parts.iter().map(|part| part.learner.npoints()).sum();
    let known = parts.iter().any(|part| part.learner.loss(Loss::Real).is_finite());
    let why = if known { "" } else { " (those at the borders of the domain come first)" };
    usage(
        format!("too few points are known to interpolate between them: {npoints}"),
        format!("run the study further{why}"),
    )
}

fn no_sheet(error: SheetError, parts: &[Part<'_>]) -> CommandError {
    match error {
        SheetError::TooFew => too_few(parts),
        error @ SheetError::Widths { .. } => usage(error, "choose learners that are alike by --learner"),
    }
}

fn no_level_sets(error: LevelSetError, parts: &[Part<'_>]) -> CommandError {
    match &error {
        LevelSetError::TooFew => too_few(parts),
        LevelSetError::Dimension { .. } => {
            usage(error, "fix some of them by --slice, as in --slice x0=0.5,x1=0")
        }
        LevelSetError::Unknown { name, known } => {
            let help = match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "choose one of them by --of".to_owned(),
            };
            usage(&error, help)
        }
    }
}

#[cfg(feature = "hdf5")]
fn labelled(args: &ExportArgs, sheet: &Sheet) -> Result<Exit, CommandError> {
    use super::place::{Place, replace};
    use crate::report::labelled::save;
    let Some(path) = &args.output else {
        return Err(usage("HDF5 can't be written to standard output", "name a file, as in -o grid.h5"));
    };
    let write = |file: &mut tempfile::NamedTempFile| save(file.path(), sheet).map_err(std::io::Error::other);
    let written = match Place::find(path) {
        Ok(Place::File(path)) => replace(&path, write),
        Ok(Place::Stream(_)) => {
            let message = format!("HDF5 can only be written to a file, which {} is not", path.display());
            return Err(usage(message, "name a file, as in -o grid.h5"));
        }
        Err(error) => Err(error),
    };
    super::ended(args, written)
}

#[cfg(not(feature = "hdf5"))]
fn labelled(_: &ExportArgs, _: &Sheet) -> Result<Exit, CommandError> {
    Err(usage("this program was built without HDF5", "choose csv or json by --format"))
}
