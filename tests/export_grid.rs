//! `adaptive-mpi export --grid`, `--at`, `--slice` and `--isoline`, and the interpolants that they show.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "study_run/mod.rs"]
mod study_run;

use adaptive_mpi::learner::{Learner, from_settings};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use adaptive_mpi::model::{Point, Sample};
use adaptive_mpi::report::grid::{self, Points};
use proptest::prelude::*;
use study_run::Folder;

fn study(function: &str, learner: &str, npoints: usize) -> String {
    format!(
        "[function]\nexpression = \"{function}\"\n\n[parameters]\na = [0.5, 2.0]\n\n[learner]\n{learner}\n\n\
         [goal]\nnpoints = {npoints}\n\n[run]\nworkers = 2\n"
    )
}

const PLANE: &str = "type = \"2d\"\nbounds = [[-1, 1], [0, 2]]";

/// A study that has run.
fn run(study: &str) -> Folder {
    let folder = Folder::new(study);
    folder.run(0, &["--quiet"]);
    folder
}

/// Head and rows of a CSV table; NaN for empty cells.
fn csv(folder: &Folder, arguments: &[&str]) -> (String, Vec<Vec<f64>>) {
    let out = folder.command(&[&["export"], arguments].concat()).end().expect(0).out;
    let cell = |cell: &str| match cell {
        "" => f64::NAN,
        "true" => 1.0,
        "false" => 0.0,
        number => number.parse().unwrap(),
    };
    let mut lines = out.lines();
    let head = lines.next().unwrap().to_owned();
    (head, lines.map(|line| line.split(',').map(cell).collect()).collect())
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[test]
fn parameters_with_the_names_of_columns_get_a_suffix() {
    let names = ["learner", "worker", "worker_", "duration", "point", "level", "extra"];
    let parameters: String = names.iter().map(|name| format!("{name} = 2\n")).collect();
    let text = study("2 * x", "type = \"1d\"\nbounds = [-1, 1]", 9);
    let folder = run(&text.replace("a = [0.5, 2.0]\n", &parameters));
    let (head, rows) = csv(&folder, &["--learner", "0"]);
    let parameters = "learner,learner_,worker__,worker_,duration_,point,level,extra_";
    assert_eq!(head, format!("{parameters},x,value,replica,worker,attempt,started,duration"));
    assert!(rows.len() >= 9 && rows.iter().all(|row| row[0] == 0.0 && row[1..8] == [2.0; 7]));
    let (head, _) = csv(&folder, &["--grid", "5"]);
    assert_eq!(head, "learner,learner_,worker,worker_,duration,point_,level,extra,x,value");
    let (head, _) = csv(&folder, &["--isoline", "0.5"]);
    assert_eq!(head, "learner,learner_,worker,worker_,duration,point_,level_,extra,level,point,x");
    if cfg!(feature = "hdf5") {
        folder.command(&["export", "--grid", "5", "-o", "grid.h5"]).end().expect(0);
        folder.write("at.csv", "x\n0.5\n");
        folder.command(&["export", "--at", "at.csv", "-o", "at.h5"]).end().expect(0);
    }
}

#[test]
fn a_grid_over_a_line_has_all_learners_with_their_parameters() {
    let folder = run(&study("a * abs(x)", "type = \"1d\"\nbounds = [-1, 1]", 33));
    let (head, rows) = csv(&folder, &["--grid", "5"]);
    assert_eq!(head, "learner,a,x,value");
    assert_eq!(rows.len(), 10);
    for (i, row) in rows.iter().enumerate() {
        let x = (i % 5) as f64 / 2.0 - 1.0;
        assert_eq!(row[..3], [(i / 5) as f64, [0.5, 2.0][i / 5], x]);
        assert!(near(row[3], row[1] * x.abs()), "{row:?}");
    }
    let (_, one) = csv(&folder, &["--grid", "5", "--learner", "1"]);
    assert_eq!(one, rows[5..]);
    assert_eq!(csv(&folder, &["--grid", "5", "--where", "a=2"]).1, one);
    // The smallest interval decides, where nobody says how fine it should be.
    let (_, fine) = csv(&folder, &["--grid", "--learner", "0"]);
    assert!((10..=10_000).contains(&fine.len()), "{}", fine.len());
    let json = folder.command(&["export", "--grid", "2", "--format", "json"]).end().expect(0).json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 4);
    assert_eq!(json["rows"][3], serde_json::json!([1, 2.0, 1.0, 2.0]));
    assert_eq!(json["name"], "adaptive");
}

#[test]
fn grids_slices_and_given_points_agree_in_a_plane() {
    let folder = run(&study("a * x + 3 * y", PLANE, 20));
    let value = |row: &Vec<f64>| row[1] * row[2] + 3.0 * row[3];
    let (head, rows) = csv(&folder, &["--grid", "4x3"]);
    assert_eq!(head, "learner,a,x,y,value");
    assert_eq!(rows.len(), 24);
    assert!(rows.iter().all(|row| near(row[4], value(row))));
    assert_eq!(rows[1][2..4], [-1.0, 1.0], "the last coordinate varies fastest");

    let (_, slice) = csv(&folder, &["--slice", "y=0.3", "--grid", "7"]);
    assert_eq!(slice.len(), 14);
    assert!(slice.iter().all(|row| row[3] == 0.3 && near(row[4], value(row))));

    folder.write("points.csv", "y,name,x\n1.5,0,0.25\n9,1,0.25\n");
    let (_, at) = csv(&folder, &["--at", "points.csv", "--learner", "1"]);
    assert_eq!(at[0][2..4], [0.25, 1.5]);
    assert!(near(at[0][4], 5.0) && at[1][4].is_nan(), "{at:?}");
}

#[test]
fn a_part_of_the_outputs_is_called_as_in_the_table_of_points() {
    let saver = |picker: &str| {
        format!(
            "[function]\ncommand = ['sh', 'model.sh', '{{x}}']\n[learner]\ntype = \"data_saver\"\narg_picker = {picker}\n\
             learner = {{ type = \"1d\", bounds = [0, 1] }}\n[goal]\nnpoints = 5\n[run]\nworkers = 2\n"
        )
    };
    for picker in ["\"y\"", "1"] {
        let folder = Folder::new(&saver(picker));
        folder.write("model.sh", "echo '{\"t\": 2, \"y\": '$1'}'\n");
        folder.run(0, &["--quiet"]);
        let table = folder.command(&["export"]).end().expect(0).out;
        assert!(table.starts_with("learner,x,t,y,"), "{table}");
        let (head, rows) = csv(&folder, &["--grid", "3"]);
        assert_eq!(head, "learner,x,y");
        assert!(rows.iter().all(|row| near(row[1], row[2])), "{rows:?}");
        assert!(near(csv(&folder, &["--isoline", "0.3", "--of", "y"]).1[0][3], 0.3));
        folder.command(&["export", "--isoline", "2", "--of", "t"]).end().expect(2).says("known: y");
    }
}

#[test]
fn isolines_are_chains_of_points_at_the_level() {
    let folder = run(&study("a * x^2 + (y - 1)^2 + 0 * a", PLANE, 300));
    let (head, rows) = csv(&folder, &["--isoline", "0.3,0.7,-1", "--where", "a=2.0"]);
    assert_eq!(head, "learner,a,level,line,x,y,closed");
    for level in [0.3, 0.7] {
        let line: Vec<&Vec<f64>> = rows.iter().filter(|row| row[2] == level).collect();
        assert!(line.len() > 10 && line.iter().all(|row| row[3] == 0.0 && row[6] == 1.0));
        assert_eq!(line[0][4..6], line[line.len() - 1][4..6], "a closed line ends where it starts");
        // The area of an ellipse, passed with the higher side to the left.
        let area = line.windows(2).map(|p| (p[0][4] * p[1][5] - p[1][4] * p[0][5]) / 2.0).sum::<f64>();
        let exact = -std::f64::consts::PI * level / 2.0_f64.sqrt();
        assert!((area / exact - 1.0).abs() < 0.05, "{area} {exact}");
    }
    assert!(rows.iter().all(|row| row[2] != -1.0), "no such value, no line");
}

#[test]
fn surfaces_and_slices_of_three_dimensions_are_exported() {
    let learner = "type = \"nd\"\nbounds = [[-1, 1], [-1, 1], [-1, 1]]";
    let folder = run(&study("a * (x^2 + y^2 + z^2)", learner, 400));
    let (head, rows) = csv(&folder, &["--isoline", "0.4", "--learner", "0"]);
    assert_eq!(head, "learner,a,level,triangle,x,y,z");
    assert!(rows.len() > 100 && rows.len() % 3 == 0);
    let mean = rows.iter().map(|r| (r[4] * r[4] + r[5] * r[5] + r[6] * r[6]).sqrt()).sum::<f64>()
        / rows.len() as f64;
    assert!((mean - 0.8_f64.sqrt()).abs() < 0.1, "{mean}");
    let (_, slice) = csv(&folder, &["--slice", "z=0.25,x=0", "--grid", "11", "--learner", "0"]);
    assert_eq!(slice.len(), 11);
    assert!(slice.iter().all(|row| row[2] == 0.0 && row[4] == 0.25 && row[5].is_finite()), "{slice:?}");
}

#[test]
fn isolines_of_slices_lie_in_their_slice() {
    let learner = "type = \"nd\"\nbounds = [[-1, 1], [-1, 1], [-1, 1]]";
    let folder = run(&study("a * (x^2 + y^2 + z^2)", learner, 600));
    let (head, rows) = csv(&folder, &["--slice", "y=0.5", "--isoline", "0.4", "--learner", "0"]);
    assert_eq!(head, "learner,a,level,line,x,y,z,closed");
    assert!(rows.len() > 10 && rows.iter().all(|row| row[3] == 0.0 && row[5] == 0.5 && row[7] == 1.0));
    // A circle: 0.5 (x^2 + z^2 + 0.25) = 0.4, passed with the higher side to the left.
    let area = rows.windows(2).map(|p| (p[0][4] * p[1][6] - p[1][4] * p[0][6]) / 2.0).sum::<f64>();
    assert!((area / (-0.55 * std::f64::consts::PI) - 1.0).abs() < 0.15, "{area}");
    // At each of its points the interpolant has the value.
    let points: String = rows.iter().map(|row| format!("{},{},{}\n", row[4], row[5], row[6])).collect();
    folder.write("points.csv", points);
    let (_, at) = csv(&folder, &["--at", "points.csv", "--learner", "0"]);
    assert!(at.iter().all(|row| (row[5] - 0.4).abs() < 1e-9), "{at:?}");

    let (head, rows) = csv(&folder, &["--slice", "z=0,x=0.1", "--isoline", "0.4", "--learner", "0"]);
    assert_eq!(head, "learner,a,level,point,x,y,z");
    let ys: Vec<f64> = rows.iter().map(|row| row[5]).collect();
    assert!(rows.iter().all(|row| row[4] == 0.1 && row[6] == 0.0), "{rows:?}");
    assert!(ys.len() == 2 && ys.iter().all(|y| (y.abs() - 0.79_f64.sqrt()).abs() < 0.1), "{ys:?}");
    // Along the border of the domain too, and nothing beyond it.
    assert!(!csv(&folder, &["--slice", "z=-1", "--isoline", "0.8", "--learner", "0"]).1.is_empty());
    let beyond = ["export", "--slice", "z=1.5", "--isoline", "0.4", "--learner", "0"];
    folder.command(&beyond).end().expect(2).says("take z from -1 to 1");
    let all = ["export", "--slice", "x=0,y=0,z=0", "--isoline", "1"];
    folder.command(&all).end().expect(2).says("fixes all coordinates");
}

#[test]
fn isolines_of_a_line_are_points_and_those_of_four_coordinates_need_a_slice() {
    let folder = run(&study("a * x^2", "type = \"1d\"\nbounds = [-1, 1]", 100));
    let (head, rows) = csv(&folder, &["--isoline", "0.32,9", "--learner", "0"]);
    assert_eq!(head, "learner,a,level,point,x");
    assert_eq!(rows.len(), 2);
    assert!((rows[0][4] + 0.8).abs() < 1e-3 && (rows[1][4] - 0.8).abs() < 1e-3, "{rows:?}");

    let learner = "type = \"nd\"\nbounds = [[0, 1], [0, 1], [0, 1], [0, 1]]";
    let folder = run(&study("a * (x0 + x1 + x2 + x3)", learner, 40));
    let slices = folder.command(&["export", "--isoline", "1"]).end().expect(2);
    assert!(slices.says("but there are 4").err.contains("--slice"));
    let (_, rows) = csv(&folder, &["--slice", "x1=0.5,x3=0.25", "--isoline", "2.5", "--where", "a=2"]);
    assert!(
        !rows.is_empty() && rows.iter().all(|row| near(row[4] + row[5] + row[6] + row[7], 1.25)),
        "{rows:?}"
    );
}

#[test]
fn long_triangles_along_a_ridge_are_taken_where_they_are_asked_for() {
    let folder = run(&study("a * tanh(10 * (x + 0.4 * (y - 1)))", PLANE, 800));
    let exact = |row: &Vec<f64>| row[1] * (10.0 * (row[2] + 0.4 * (row[3] - 1.0))).tanh();
    let long =
        |arguments: &[&str]| csv(&folder, &[arguments, &["--triangulation", "data-dependent"]].concat());
    // Sides on the border can't be swapped: what is gained is gained within.
    let is_within = |row: &&Vec<f64>| row[2].abs() < 1.0 && (row[3] - 1.0).abs() < 1.0;
    let square_error = |rows: &[Vec<f64>]| {
        rows.iter().filter(is_within).map(|row| (row[4] - exact(row)).powi(2)).sum::<f64>().sqrt()
    };

    let grid = ["--grid", "61x53", "--learner", "0"];
    let (head, delaunay) = csv(&folder, &grid);
    assert_eq!(csv(&folder, &[&grid[..], &["--triangulation", "delaunay"]].concat()).1, delaunay);
    let (own_head, rows) = long(&grid);
    assert_eq!((own_head, rows.len()), (head, delaunay.len()));
    let (ours, others) = (square_error(&rows), square_error(&delaunay));
    assert!(ours < others / 3.0, "{ours} {others}");
    let border = rows.iter().zip(&delaunay).filter(|(row, _)| !is_within(row));
    assert!(border.into_iter().all(|(row, other)| near(row[4], other[4])));

    // Given points, slices and isolines are of the same surface; told points keep their values.
    let text: String = rows.iter().step_by(7).map(|row| format!("{},{}\n", row[2], row[3])).collect();
    folder.write("points.csv", text + "0,9\n");
    let (_, at) = long(&["--at", "points.csv", "--learner", "0"]);
    assert!(at.last().unwrap()[4].is_nan());
    assert!(at.iter().zip(rows.iter().step_by(7)).all(|(at, row)| near(at[4], row[4])));
    let (_, told) = csv(&folder, &["--learner", "0"]);
    folder.write("told.csv", told.iter().map(|row| format!("{},{}\n", row[2], row[3])).collect::<String>());
    let (_, at) = long(&["--at", "told.csv", "--learner", "0"]);
    assert!(at.iter().zip(&told).all(|(at, told)| at[4] == told[4]));

    for slice in [&["--isoline", "0.1"][..], &["--isoline", "0.1", "--slice", "y=0.3"]] {
        let (_, line) = long(&[slice, &["--learner", "0"]].concat());
        assert!(!line.is_empty());
        folder
            .write("line.csv", line.iter().map(|row| format!("{},{}\n", row[4], row[5])).collect::<String>());
        let (_, at) = long(&["--at", "line.csv", "--learner", "0"]);
        assert!(at.iter().all(|row| (row[4] - 0.1).abs() < 1e-9), "{at:?}");
    }
    let (_, sections) = long(&["--slice", "y=0.3", "--grid", "9", "--learner", "0"]);
    assert!(sections.len() == 9 && sections.iter().all(|row| (row[4] - exact(row)).abs() < 0.02));
    if cfg!(feature = "hdf5") {
        let file = ["export", "--grid", "9", "--triangulation", "data-dependent", "-o", "grid.h5"];
        folder.command(&file).end().expect(0);
    }
}

#[test]
fn only_two_coordinates_have_a_choice_of_triangles() {
    for (learner, dim) in
        [("type = \"1d\"\nbounds = [-1, 1]", 1), ("type = \"nd\"\nbounds = [[0, 1], [0, 1], [0, 1]]", 3)]
    {
        let folder =
            run(&study("a * x", learner, 20)
                .replace("a * x", if dim == 1 { "a * x" } else { "a * x + y * z" }));
        for arguments in [&["--grid", "5"][..], &["--isoline", "0.5"], &["--grid", "5", "--slice", "x=0.5"]] {
            let all = [&["export", "--triangulation", "data-dependent"], arguments].concat();
            let ended = folder.command(&all).end().expect(2);
            let ended = ended.says(&format!("for 2 coordinates, but there are {dim}"));
            assert!(ended.err.contains("help: ") && ended.out.is_empty(), "{}", ended.err);
        }
    }
}

#[test]
fn what_can_not_be_shown_is_exit_2_with_advice() {
    let folder = Folder::new(&study("a * x + 3 * y", PLANE, 20));
    folder.command(&["export", "--grid"]).end().expect(2).says("no results");
    folder.run(0, &["--quiet"]);
    let h5 = if cfg!(feature = "hdf5") { "-o grid.h5" } else { "built without HDF5" };
    for (arguments, message) in [
        (&["--slice", "yy=0.3"][..], "did you mean `y`?"),
        (&["--slice", "y=2.5", "--grid", "3"], "--slice y=2.5 is outside of the domain"),
        (&["--isoline", "nan"], "--isoline NaN"),
        (&["--isoline", "1,-inf"], "--isoline -inf"),
        (&["--slice", "x=0,y=0"], "fixes all coordinates"),
        (&["--grid", "2x3x4"], "3 numbers, but 2 coordinates vary: x, y"),
        (&["--grid", "many"], "--grid 200x100"),
        (&["--grid", "999999x999999"], "too much"),
        (&["--grid", "3", "--learner", "2"], "there is no learner 2"),
        (&["--grid", "3", "--where", "b=2"], "there is no parameter `b`"),
        (&["--grid", "3", "--where", "a=3"], "no learner has"),
        (&["--at", "none.csv"], "none.csv"),
        (&["--isoline", "1", "--of", "valeu"], "did you mean `value`?"),
        (&["--grid", "3", "--format", "h5"], h5),
        (&["--format", "h5"], "csv or json"),
        (&["--isoline", "1", "-o", "lines.h5"], "csv or json"),
        (&["--grid", "3", "--format", "jsn"], "did you mean `json`?"),
        (&["--triangulation", "data-dependent"], "of no use for the table of points"),
    ] {
        let ended = folder.command(&[&["export"], arguments].concat()).end().expect(2).says(message);
        assert!(ended.err.contains("help: ") && ended.out.is_empty(), "{arguments:?}: {}", ended.err);
    }
    folder
        .command(&["export", "--grid", "3", "-o", "missing/grid.csv"])
        .end()
        .expect(6)
        .says("missing/grid.csv");
}

#[test]
fn learners_without_a_domain_say_so() {
    let folder = run(&study("a * x + y", "type = \"sequence\"\nsequence = [[1, 2], [3, 4]]", 2));
    folder.command(&["export", "--grid"]).end().expect(2).says("`sequence` has no domain").says("help: ");
}

#[cfg(feature = "hdf5")]
#[test]
fn python_opens_grids_as_labelled_arrays() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let has = |modules: &str| {
        let import = format!("import {modules}");
        std::process::Command::new(&python).args(["-c", &import]).output().is_ok_and(|o| o.status.success())
    };
    let folder = run(&study("a * x + 3 * y", PLANE, 20));
    folder.command(&["export", "--grid", "4x3", "-o", "grid.h5"]).end().expect(0);
    folder.command(&["export", "--slice", "y=0.5", "--grid", "5", "-o", "slice.h5"]).end().expect(0);
    folder.write("points.csv", "0.25,1.5\n0.5,0.5\n0,9\n");
    folder.command(&["export", "--at", "points.csv", "-o", "at.h5"]).end().expect(0);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_labelled.py");
    for modules in ["h5py", "xarray, h5netcdf"] {
        if !has(modules) {
            println!("skipped: no Python with {modules} (set PYTHON)");
            continue;
        }
        let read = [script.to_str().unwrap(), modules, "grid.h5", "slice.h5", "at.h5"];
        folder.program(std::path::Path::new(&python), &read).end().expect(0);
    }
}

/// A learner from the text of its table.
fn learner(kind: &str, dim: usize) -> Box<dyn Learner> {
    let number = |x: f64| Setting { value: SettingValue::Float(x), span: 0..0 };
    let text = SettingValue::Text(kind.to_owned());
    let pair = || SettingValue::List(vec![number(-1.0), number(1.0)]);
    let many = || (0..dim).map(|_| Setting { value: pair(), span: 0..0 }).collect();
    let bounds = if dim == 1 { pair() } else { SettingValue::List(many()) };
    let table = Table::new("learner").with("type", text).with("bounds", bounds);
    from_settings(&table).unwrap()
}

/// A learner with its first points, and as many more anywhere.
fn filled(kind: &str, dim: usize, more: &[f64], f: &dyn Fn(&[f64]) -> f64) -> Box<dyn Learner> {
    let mut learner = learner(kind, dim);
    for suggestion in learner.ask(1 << dim) {
        learner.tell(&suggestion.sample, &f(&suggestion.sample.point).into()).unwrap();
    }
    for point in more.chunks_exact(dim) {
        learner.tell(&Sample::at(Point::new(point)), &f(point).into()).unwrap();
    }
    learner
}

const KINDS: [(&str, usize); 5] = [("1d", 1), ("2d", 2), ("nd", 2), ("nd", 3), ("nd", 4)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn linear_functions_are_reproduced(
        kind in 0..KINDS.len(),
        more in prop::collection::vec(-1.0..1.0f64, 120),
        at in prop::collection::vec(-1.0..1.0f64, 48),
        slopes in prop::array::uniform4(-9.0..9.0f64),
    ) {
        let (kind, dim) = KINDS[kind];
        let f = |x: &[f64]| 0.5 + x.iter().zip(slopes).map(|(x, slope)| x * slope).sum::<f64>();
        let learner = filled(kind, dim, &more, &f);
        let mut out = Vec::new();
        prop_assert!(learner.interpolate_all(&at, &mut out));
        for (point, y) in at.chunks_exact(dim).zip(&out) {
            prop_assert!((y - f(point)).abs() < 1e-9, "{} {:?} {} {}", kind, point, y, f(point));
            let mut single = Vec::new();
            prop_assert!(learner.interpolate(point, &mut single));
            prop_assert!((single[0] - y).abs() < 1e-9);
        }
    }

    #[test]
    fn told_points_keep_their_values_and_neighbours_meet(
        kind in 0..KINDS.len(),
        more in prop::collection::vec(-1.0..1.0f64, 120),
        at in prop::collection::vec(-1.0..1.0f64, 12),
    ) {
        let (kind, dim) = KINDS[kind];
        let f = |x: &[f64]| x.iter().enumerate().map(|(i, x)| (7.0 * x + i as f64).sin()).sum::<f64>();
        let learner = filled(kind, dim, &more, &f);
        let interpolant = learner.interpolant().unwrap();
        let mut out = Vec::new();
        prop_assert!(learner.interpolate_all(&interpolant.points, &mut out));
        prop_assert_eq!(&out, &interpolant.values, "exactly");
        prop_assert_eq!(interpolant.npoints(), learner.npoints());
        // Across faces: along a line through many simplices nothing jumps.
        let (a, b) = (&at[..dim], &at[dim..2 * dim]);
        let steps = 20_000;
        let path: Vec<f64> = (0..=steps)
            .flat_map(|i| (0..dim).map(move |axis| a[axis] + (b[axis] - a[axis]) * f64::from(i) / f64::from(steps)))
            .collect();
        let mut along = Vec::new();
        prop_assert!(learner.interpolate_all(&path, &mut along));
        // The largest step, halved again and again: a slope shrinks with it, a jump stays as large
        // as it is. (Compared with larger steps instead, a thin simplex looks like a jump.)
        let steepest = along.windows(2).map(|pair| (pair[1] - pair[0]).abs()).enumerate();
        let (i, step) = steepest.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let (mut low, mut high) = (path[i * dim..][..dim].to_vec(), path[(i + 1) * dim..][..dim].to_vec());
        let value = |at: &[f64]| {
            let mut y = Vec::new();
            learner.interpolate(at, &mut y).then(|| y[0]).unwrap()
        };
        for (at, y) in [(&low, along[i]), (&high, along[i + 1])] {
            prop_assert!((value(at) - y).abs() < 1e-9, "{} with others, {} alone", y, value(at));
        }
        for _ in 0..30 {
            let middle: Vec<f64> = low.iter().zip(&high).map(|(low, high)| 0.5 * (low + high)).collect();
            let (y_low, y, y_high) = (value(&low), value(&middle), value(&high));
            *(if (y - y_low).abs() > (y_high - y).abs() { &mut high } else { &mut low }) = middle;
        }
        let left = (value(&high) - value(&low)).abs();
        prop_assert!(left <= 1e-6 * step + 1e-9, "{} of {} at {:?}", left, step, low);
    }

    #[test]
    fn grids_give_the_same_as_single_points(n in 2..9usize, more in prop::collection::vec(-1.0..1.0f64, 60)) {
        let learner = filled("nd", 3, &more, &|x| x[0] * x[1] + x[2].abs());
        let points = Points::even(&[(-1.2, 1.0), (-1.0, 1.0), (-1.0, 1.0)], &[n, n + 1, 3]);
        let all = grid::interpolate(learner.as_ref(), &points).unwrap();
        for (i, y) in all.iter().enumerate() {
            let (mut at, mut single) = (Vec::new(), Vec::new());
            points.push(i, &mut at);
            learner.interpolate(&at, &mut single);
            // On faces another simplex may be found.
            prop_assert!((single[0] - y).abs() < 1e-9 || at[0] < -1.0 && y.is_nan(), "{:?}", at);
        }
    }
}
