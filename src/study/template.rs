//! Study files to start from (`adaptive-mpi new`): every key with a line on what it does.
//!
//! A template is made of a part for the function, one for the learner, and one that all share. What most studies
//! don't need is commented out, with its default.

use super::config::ENDING_LEARNERS;
use crate::model::settings::nearest;

/// A part of a template: one kind of function or learner.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The name, as in `adaptive-mpi new --function NAME`.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    text: &'static str,
}

/// A name that no part of a template has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no template for the {what} `{name}`\nhelp: {help}")]
pub struct UnknownPart {
    /// "function" or "learner".
    pub what: &'static str,
    /// The name asked for.
    pub name: String,
    /// The nearest name, or all.
    pub help: String,
}

/// Kinds of functions with a template.
pub const FUNCTION_PARTS: &[Part] = &[
    Part {
        name: "python",
        about: "a function in a Python file or package",
        text: r#"# A Python function: file:function, or package.module:function. Points come first, parameters by name:
#     def h(x, offset, a): return x + a**2 / (a**2 + (x - offset)**2)
python = "model.py:h"
# The interpreter (default: the variable PYTHON, else python3).
# python_executable = "python3"
"#,
    },
    Part {
        name: "expression",
        about: "a formula, right here",
        text: r#"# A formula of the coordinates and parameters; a list of formulas gives several values.
# Powers are x^2, choices c ? a : b, conditions a < b && !(c == d).
expression = "x + a^2 / (a^2 + (x - offset)^2)"
"#,
    },
    Part {
        name: "builtin",
        about: "a test function of this program",
        text: r#"# A test function of this program, to try things out.
builtin = "peak"
"#,
    },
    Part {
        name: "command",
        about: "a program that is started for each point",
        text: r#"# A program that is started for each point, without a shell. {x} and the names of parameters in braces are
# replaced. It prints its value to standard output.
command = ["./simulate", "--x={x}", "--offset={offset}", "--a={a}"]
"#,
    },
    Part {
        name: "program",
        about: "a program that is started once per worker and serves points",
        text: r#"# A program that is started once per worker. It reads one line of JSON per point from standard input,
#     {"id": 1, "point": 0.25, "parameters": {"offset": 0.1, "a": 0.01}}
# and answers with a line on standard output: {"id": 1, "value": 0.5}
# If it takes long to load, give it a start_timeout, and let it write {"ready": true} when it has loaded.
program = ["./simulator", "--serve"]
"#,
    },
    Part {
        name: "library",
        about: "a function in a shared library (C, C++, Fortran, …)",
        text: r#"# A shared library and the name of the function in it.
library = "libmodel.so:model"
"#,
    },
    Part {
        name: "rust",
        about: "a function that your own binary registered",
        text: r#"# The name under which your binary registered the function.
rust = "h"
"#,
    },
];

/// Types of learners with a template.
pub const LEARNER_PARTS: &[Part] = &[
    Part {
        name: "1d",
        about: "a function of one variable, densely where it changes",
        text: r#"# A function of one variable x: many points where it changes, few where it does not.
type = "1d"
# The first and the last point.
bounds = [-1, 1]
# What makes an interval worth refining; `adaptive-mpi learners` lists all losses. `default` is that of Python
# adaptive. With settings, a table:
# { name = "level", levels = [0.5] } looks for places where the value crosses a number.
# loss = "interpolation_error"
# Only whole numbers are points.
# integer = false
# Points to evaluate before all others.
# points_first = []
"#,
    },
    Part {
        name: "average",
        about: "the mean of a noisy quantity",
        text: r#"# The mean of a noisy quantity. The function gets a seed, a whole number, and no point.
type = "average"
# The wanted standard deviation of the mean: absolute, and/or relative to the mean. At least one is needed.
atol = 0.01
# rtol = 0.001
# Fewer values than this say nothing about the spread.
# min_npoints = 2
"#,
    },
    Part {
        name: "average1d",
        about: "a noisy function of one variable",
        text: r#"# A noisy function of a seed, a whole number, and one variable x: each point is sampled several times.
type = "average1d"
# The first and the last point.
bounds = [-1, 1]
# What makes an interval worth refining. A loss with settings is a table: { name = "curvature", … }
# loss = "default"
# Sample a point again while the error of its mean is more than this part of the distance to its neighbour.
# delta = 0.2
# The error is half the width of the interval of confidence 1 - 2 alpha.
# alpha = 0.005
# A new point gets this many samples, and more than this part of what its neighbours have.
# min_samples = 50
# neighbor_sampling = 0.3
# No point gets more samples than max_samples, nor any once its error is at most min_error.
# max_samples = 10_000
# min_error = 0.0
# Measure distances in units of the domain and of the range of values.
# scaled_distances = false
# Points to sample before all others.
# points_first = []
"#,
    },
    Part {
        name: "integrator",
        about: "the integral of a function of one variable",
        text: r#"# The integral of a function of one variable x, with an estimate of its error.
type = "integrator"
bounds = [-1, 1]
# The relative error to reach.
tol = 1e-8
"#,
    },
    Part {
        name: "2d",
        about: "a function of two variables, densely where it bends",
        text: r#"# A function of two variables x and y: many points where it bends, few where it is flat.
type = "2d"
# First and last x, first and last y.
bounds = [[-1, 1], [-1, 1]]
# What makes a triangle worth refining: `adaptive-mpi learners` lists all losses. With settings, a table:
# { name = "resolution", min_distance = 0.01 }
# loss = "interpolation_error"
# Points chosen from one state; 1 uses every value for the next point (with adaptive's losses: 10).
# stack_size = 1
# Height of the domain against its width, as triangles are judged: above 1 resolves y more finely than x.
# aspect_ratio = 1.0
# Only whole numbers are points; for one variable only: [true, false].
# integer = false
# Points to evaluate before all others, as [[0.5, 0], [1, 1]].
# points_first = []
"#,
    },
    Part {
        name: "nd",
        about: "a function of two or more variables, densely where it changes",
        text: r#"# A function of two or more variables (2 to 8): many points where it changes, few where it does not.
type = "nd"
# Lower and upper bound of each variable; their corners are asked first. Or, instead, points whose convex hull
# is the domain: hull = [[0, 0], [2, 0], [0, 1]]
bounds = [[-1, 1], [0, 10]]
# What makes a simplex worth refining: interpolation_error, default, uniform, std, triangle, curvature, level,
# resolution, thresholded. With settings, a table: { name = "resolution", max_distance = 0.1 }
# loss = "interpolation_error"
# Narrow simplices across steep slopes.
# anisotropic = false
# Only whole numbers are points; for some variables only: [true, false].
# integer = false
# Points to evaluate before all others, as [[0.5, 0], [1, 1]].
# points_first = []
"#,
    },
    Part {
        name: "sequence",
        about: "a given list of points, in order",
        text: r#"# Each point of a list, in order. The study ends when all are evaluated.
type = "sequence"
# A list, or { start = 0.0, stop = 1.0, num = 101 }.
sequence = [0.0, 0.1, 0.25, 0.5, 1.0]
"#,
    },
    Part {
        name: "data_saver",
        about: "learns one of several outputs, and keeps all of them",
        text: r#"# The function returns several named outputs, and anything else: one is learned, all is kept with the point.
type = "data_saver"
# The name of the output that is learned, a list of names, or a place counted from 0.
arg_picker = "y"
# The learner of that output: any type, with its keys.
learner = { type = "1d", bounds = [-1, 1] }
"#,
    },
];

const HEAD: &str = r#"# A study for adaptive-mpi. Check it: adaptive-mpi check FILE. Run it: mpiexec -n 16 adaptive-mpi run FILE
# Lines that start with `# key = …` show a default or an example: remove the `#` to use it.

# Files of results are named after it (default: the name of this file, without its ending).
# name = "resonance"
"#;

const FUNCTION_TAIL: &str = r#"# (A study for `adaptive-mpi ask-tell` needs no [function]: whoever asks evaluates.)
# A point that takes longer has failed, and is tried again (default: no limit).
# timeout = "10min"
# Evaluate in a child process: a crash then costs one attempt, not the worker.
# isolate = false
# Threads that the function may use (sets OMP_NUM_THREADS and the like).
# threads = 1
# Devices for each worker of a host (sets CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES).
# gpus = 0
# MPI ranks that evaluate one point together, for command, python, library and rust: a library gets their
# communicator, a Python function gets it as `comm` (mpi4py), and a command starts its own processes on them,
# as command = ["mpiexec", "-n", "{ranks}", "-host", "{hosts}", "./simulate"]
# A call on MPI_COMM_WORLD would wait for all ranks of the run, for ever. All ranks fail together, or none.
# ranks = 1
# Where several learners share the ranks, those of higher priority come first, and the others wait until
# these have met their goals: a whole number, or "{a}" for that of the parameter a in each combo.
# priority = 0
# What each worker does once, before its first point: for python and library the name of another function in
# the same file, for command a command.
# init = "prepare"
# Files that are read once and copied to each node; their folder there is in the variable ADAPTIVE_MPI_DATA.
# data = ["table.npz"]
# Compute no value twice, in any study that shares this file (true: data/cache.h5). Files that are named
# here count with their contents; when something else changes the values, change `version`.
# cache = true
# Which values these are. Without it, a run goes on with another model file only by --accept-changes; with it,
# only with the same version, whatever happens to the file.
# version = "1"
"#;

const PARAMETERS: &str = r#"# Each combination of these values gets a learner of its own. The first name varies slowest.
# A value, a list, { start, stop, num } for even spacing with both ends, or { start, stop, step }.
# Evenly spaced logarithms: { start = 1e-3, stop = 1.0, num = 4, spacing = "log" }
# In [learner], "{a}" stands for the value of the parameter a, as in bounds = [0, "{a}"].
offset = { start = -0.5, stop = 0.5, num = 3 }
a = [0.01, 0.1]
"#;

const GOAL: &str = r#"# The run ends when the first of these holds. Each learner must have:
loss = 0.01                   # a loss of at most this,
npoints = 1000                # or this many points
# All learners together:
# total_npoints = 100_000
# The run as a whole; a time without an offset is local time:
# duration = "2h"
# end_time = 2030-01-01T08:00:00
# All of them must hold, not just one:
# all = false
# To run until stopped, write `goal = "forever"` above the first [section] instead.
"#;

/// In two dimensions and more a loss of 0.01 is reached next to the corners, so the number of points comes first.
const PLANE_GOALS: (&str, &str) = (
    "loss = 0.01                   # a loss of at most this,\nnpoints = 1000                # or this many points\n",
    "npoints = 1000                # so many points,\n\
     # loss = 0.001                # or a loss of at most this\n",
);

const ENDING_GOAL: &str = r#"# The run ends when every learner has all that it wants, or when the first of these holds:
done = true
# duration = "2h"
# end_time = 2030-01-01T08:00:00
"#;

const TAIL: &str = r#"
[balancing]
# Which learner gets the next point: loss_improvements, loss, npoints, cycle.
# strategy = "loss_improvements"

[run]
# How often a failed point is tried again, on other ranks first.
# retries = 10
# End the run when a point has failed once more than that. Else it is listed under failures.
# raise_if_retries_exceeded = false
# Whether NaN and infinite values are values ("accept") or failures ("fail").
# nan = "accept"
# Give the same results with any number of workers, and with or without a break, at some cost in speed.
# deterministic = false
# Write every ask and tell to a file: true, false, or its name. Earlier ones stay as NAME.log.1, NAME.log.2, …
# log = false
# Threads of a run without MPI; "auto" is one per core.
# workers = "auto"
# Points in flight; "auto" suits the measured duration of points.
# in_flight = "auto"
# When the run stops: how long to wait for points in flight; a second Ctrl-C, a moment later, ends the wait.
# After Ctrl-C, Open MPI's mpiexec ends its ranks within 2 s; `kill -USR1` of mpiexec leaves them this time.
# grace = "30s"
# The time limit of the job (default: as the batch system says); the run stops this margin before.
# walltime = "24h"
# walltime_margin = "1min"
# Time between two lines of progress where there is no terminal; false for none.
# progress = "30s"
# A worker without a sign of life (stopped, or its host gone) is given up after this time, until it is back;
# its points go to others. One that has ended is given up at once (`doctor` says if a run outlives that).
# unresponsive_after = "10s"
# Start a point that takes far longer than others (`status` names its rank) on an idle worker too: the first
# answer counts.
# duplicate_stragglers = false

[checkpoint]
# Where results are kept, from the folder of this file, and how often it is written. A crash loses nothing in
# between.
# folder = "data"
# interval = "5min"
# compress = false
# How often results are forced to the disk, against a loss of power.
# sync_interval = "10s"
"#;

/// What is written otherwise where points are no single x, or values no single number: for a kind of function and types
/// of learners, a text and what stands in its place.
const FITTED: &[(&str, &[&str], &str, &str)] = &[
    ("python", PLANE, "h(x, offset, a):", "h(xy, offset, a): x, y = xy;"),
    ("python", &["average"], "h(x, offset, a): return x + a**2 / (a**2 + (x - offset)**2)", SEEDED_PYTHON),
    ("python", &["average1d"], "h(x, offset, a):", "h(seed_x, offset, a): seed, x = seed_x;"),
    ("expression", PLANE, "(x - offset)^2", "(x - offset)^2 + y^2"),
    ("expression", &["average"], "x + a^2 / (a^2 + (x - offset)^2)", SEEDED_FORMULA),
    ("expression", &["average1d"], "(x - offset)^2)", NOISY_FORMULA),
    ("expression", &["data_saver"], "arg_picker = \"y\"", "arg_picker = 0"),
    ("builtin", &["average1d"], "\"peak\"", "\"noisy_peak\""),
    ("builtin", &["average"], "\"peak\"", "\"noise\""),
    ("builtin", &["average"], "\noffset = ", "\nmean = "),
    ("builtin", &["average"], "\na = ", "\ndeviation = "),
    ("builtin", PLANE, "\"peak\"", "\"ring_2d\""),
    ("builtin", PLANE, "\noffset = { start = -0.5, stop = 0.5,", "\nradius = { start = 0.5, stop = 0.9,"),
    ("builtin", &["data_saver"], "arg_picker = \"y\"", "arg_picker = 0"),
    ("library", &["data_saver"], "arg_picker = \"y\"", "arg_picker = 0"),
    ("command", PLANE, "\"--x={x}\"", "\"--x={x}\", \"--y={y}\""),
    ("command", &["average"], "\"--x={x}\"", "\"--seed={seed}\""),
    ("command", &["average"], "{x}", "{seed}"),
    ("command", &["average1d"], "\"--x={x}\"", "\"--x={x}\", \"--seed={seed}\""),
    ("program", PLANE, "\"point\": 0.25", "\"point\": [0.25, 0.5]"),
    ("program", &["average"], "\"point\": 0.25", "\"point\": [], \"seed\": 3"),
    ("program", &["average1d"], "\"point\": 0.25", "\"point\": 0.25, \"seed\": 3"),
];

const PLANE: &[&str] = &["2d", "nd"];
const SEEDED_PYTHON: &str = "h(seed, offset, a): return random.Random(seed).gauss(offset, a)";
/// Digits of a sine far behind the point look random.
const SEEDED_FORMULA: &str = "offset + a * ((sin(12.9898 * seed) * 43758.5453) % 1)";
const NOISY_FORMULA: &str = "(x - offset)^2) + 0.1 * ((sin(12.9898 * seed + 78.233 * x) * 43758.5453) % 1)";

/// The study file for this kind of function and type of learner.
pub fn template(function: &str, learner: &str) -> Result<String, UnknownPart> {
    let function = find(FUNCTION_PARTS, "function", function)?;
    let learner = find(LEARNER_PARTS, "learner", learner)?;
    let goal = match learner.name {
        name if ENDING_LEARNERS.contains(&name) => ENDING_GOAL.to_owned(),
        name if PLANE.contains(&name) => GOAL.replace(PLANE_GOALS.0, PLANE_GOALS.1),
        _ => GOAL.to_owned(),
    };
    let usual = format!(
        "{HEAD}\n[function]\n{}{FUNCTION_TAIL}\n[parameters]\n{PARAMETERS}\n[learner]\n{}\n[goal]\n{goal}{TAIL}",
        function.text, learner.text
    );
    let fitted = FITTED.iter().filter(|(kind, of, ..)| *kind == function.name && of.contains(&learner.name));
    Ok(fitted.fold(usual, |text, (.., from, to)| text.replace(from, to)))
}

fn find(parts: &'static [Part], what: &'static str, name: &str) -> Result<&'static Part, UnknownPart> {
    parts.iter().find(|part| part.name == name).ok_or_else(|| {
        let names = || parts.iter().map(|part| part.name);
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
        };
        UnknownPart { what, name: name.to_owned(), help }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::Natives;
    use crate::study::{AllKinds, CheckpointOptions, RunOptions, Study};

    fn all() -> impl Iterator<Item = String> {
        let pairs = FUNCTION_PARTS.iter().flat_map(|f| LEARNER_PARTS.iter().map(move |l| (f.name, l.name)));
        pairs.map(|(f, l)| template(f, l).unwrap())
    }

    #[test]
    fn every_template_is_a_valid_study() {
        for text in all() {
            let study = Study::parse(&text, "adaptive.toml").unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(study.combos.len(), 6);
            let mut natives = Natives::default();
            natives.insert("h", |_| Ok(0.0.into()));
            let built = study.build(&AllKinds { natives, ..AllKinds::default() });
            assert!(built.is_ok(), "{}\n{text}", built.err().unwrap());
        }
    }

    #[test]
    fn what_is_fitted_stands_in_the_templates() {
        assert!(GOAL.contains(PLANE_GOALS.0));
        for (function, learners, from, _) in FITTED {
            for learner in *learners {
                let text = |parts, name| find(parts, "", name).unwrap().text;
                let all =
                    [text(FUNCTION_PARTS, function), text(LEARNER_PARTS, learner), PARAMETERS].join("\n");
                assert!(format!("\n{all}").contains(from), "{function} {learner}: {from}");
            }
        }
    }

    #[test]
    fn the_keys_that_are_commented_out_show_the_defaults() {
        let text = template("python", "1d").unwrap();
        let is_key = |line: &str| {
            let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = "));
            key.is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        };
        let keys: Vec<&str> = text.lines().filter(|line| is_key(line)).collect();
        assert!(keys.len() > 25, "{keys:?}");
        for key in &keys {
            let with = text.replacen(key, &key[2..], 1);
            let study = Study::parse(&with, "adaptive.toml").unwrap_or_else(|error| panic!("{key}: {error}"));
            let no_default = key.starts_with("# walltime =");
            assert!(no_default || study.run == RunOptions::default(), "{key}");
            assert_eq!(study.checkpoint, CheckpointOptions::default(), "{key}");
        }
    }

    #[test]
    fn every_line_fits_a_terminal() {
        for text in all() {
            assert_eq!(text.lines().find(|line| line.chars().count() > 110), None);
        }
    }

    #[test]
    fn an_unknown_name_is_advised() {
        assert_eq!(template("pyton", "1d").unwrap_err().help, "did you mean `python`?");
        assert!(template("python", "zzz").unwrap_err().help.starts_with("known: 1d, "));
    }
}
