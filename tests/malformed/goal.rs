//! Goals.

use crate::{Case, case};

const LOSS: &str = "loss = 0.01";
const NPOINTS: &str = "npoints = 10_000";
const DURATION: &str = "duration = \"2h\"";
const WHOLE: &str = "[goal]\nloss = 0.01\nnpoints = 10_000\nduration = \"2h\"\n";
const NAME: &str = "name = \"resonance\"";

pub(crate) const CASES: &[Case] = &[
    case(LOSS, "loss = \"small\"", 15, "`goal.loss` should be a number, but is text"),
    case(LOSS, "loss = true", 15, "`goal.loss` should be a number, but is true or false"),
    case(LOSS, "loss = [0.01]", 15, "`goal.loss` should be a number, but is a list"),
    case(LOSS, "loss = { max = 0.01 }", 15, "`goal.loss` should be a number, but is a table"),
    case(LOSS, "loss = -0.01", 15, "`goal.loss` should be 0 or more"),
    case(LOSS, "loss = nan", 15, "`goal.loss` should be 0 or more"),
    case(LOSS, "loss = inf", 15, "`goal.loss` should be 0 or more"),
    case(LOSS, "los = 0.01", 15, "unknown key `los` in [goal]"),
    case(LOSS, "loss_goal = 0.01", 15, "unknown key `loss_goal` in [goal]"),
    case(LOSS, "Loss = 0.01", 15, "unknown key `Loss` in [goal]"),
    case(NPOINTS, "npoints = \"many\"", 16, "`goal.npoints` should be a whole number, but is text"),
    case(NPOINTS, "npoints = 0", 16, "`goal.npoints` is 0"),
    case(NPOINTS, "npoints = -5", 16, "`goal.npoints` should be a whole number, 0 or more"),
    case(NPOINTS, "npoints = 10.5", 16, "`goal.npoints` should be a whole number, 0 or more"),
    case(NPOINTS, "npoints = inf", 16, "`goal.npoints` should be a whole number"),
    case(NPOINTS, "npoints = [1, 2]", 16, "`goal.npoints` should be a whole number, but is a list"),
    case(NPOINTS, "npoint = 10", 16, "unknown key `npoint` in [goal]"),
    case(NPOINTS, "n_points = 10", 16, "unknown key `n_points` in [goal]"),
    case(NPOINTS, "total_npoints = 0", 16, "`goal.total_npoints` is 0"),
    case(NPOINTS, "total_npoints = \"all\"", 16, "`goal.total_npoints` should be a whole number"),
    case(NPOINTS, "total_points = 10", 16, "unknown key `total_points` in [goal]"),
    case(DURATION, "duration = \"soon\"", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = \"\"", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = \"2 hrz\"", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = \"1 month\"", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = \"-2h\"", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = -1", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = nan", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = inf", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = 1e300", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = true", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = 02:00:00", 17, "`goal.duration` should be a time span"),
    case(DURATION, "duration = 0", 17, "`goal.duration` is 0"),
    case(DURATION, "duration = \"0s\"", 17, "`goal.duration` is 0"),
    case(DURATION, "duraton = \"2h\"", 17, "unknown key `duraton` in [goal]"),
    case(DURATION, "end_time = \"tomorrow\"", 17, "`goal.end_time` should be a date and time"),
    case(DURATION, "end_time = 5", 17, "`goal.end_time` should be a date and time"),
    case(DURATION, "end_time = 08:00:00", 17, "`goal.end_time` should be a date and time"),
    case(DURATION, "end_time = \"2026-13-01T00:00:00Z\"", 17, "`goal.end_time` should be a date and time"),
    case(DURATION, "end_time = [2026-01-01]", 17, "`goal.end_time` should be a date and time"),
    case(DURATION, "endtime = 2026-01-01", 17, "unknown key `endtime` in [goal]"),
    case(DURATION, "done = 1", 17, "`goal.done` should be true or false, but is a whole number"),
    case(DURATION, "done = true", 17, "`goal.done` never holds for this learner"),
    case(DURATION, "all = \"yes\"", 17, "`goal.all` should be true or false, but is text"),
    case(DURATION, "any = 1", 17, "`goal.any` should be true or false"),
    case(DURATION, "all = true\nany = true", 18, "`goal.any` and `goal.all` contradict each other"),
    case(DURATION, "all = false\nany = false", 18, "`goal.any` and `goal.all` contradict each other"),
    case(WHOLE, "[goal]\n", 14, "the goal has no condition"),
    case(WHOLE, "[goal]\nall = true\n", 14, "the goal has no condition"),
    case(WHOLE, "[goal]\ndone = false\n", 14, "the goal has no condition"),
    case(WHOLE, "[goal]\nforever = true\n", 15, "unknown key `forever` in [goal]"),
    case(WHOLE, "[[goal]]\nloss = 0.01\n", 14, "`goal` can't be a list"),
    case(
        "loss = 0.01\nnpoints",
        "[goal.loss]\nnpoints",
        15,
        "`goal.loss` should be a number, but is a table",
    ),
    case(NAME, "goal = \"forever\"", 14, "duplicate key"),
];

/// A goal as a key of another section, where `[goal]` is left out: after which line, and what is said.
pub(crate) const STRAY_GOALS: &[(&str, &str)] = &[
    ("retries = 5\n", "`goal` stands in [run]"),
    ("a = [0.01, 0.1]\n", "`goal` stands in [parameters]"),
    ("bounds = [-1, 1]\n", "`goal` stands in [learner]"),
    ("builtin = \"peak\"\n", "`goal` stands in [function]"),
    ("strategy = \"loss\"\n", "`goal` stands in [balancing]"),
    ("folder = \"data\"\n", "`goal` stands in [checkpoint]"),
    ("system = \"slurm\"\n", "`goal` stands in [scheduler]"),
];

/// Goals above all sections; here `[goal]` itself is left out.
pub(crate) const SHORT_GOALS: &[(&str, &str)] = &[
    ("goal = \"forevr\"", "unknown goal `forevr`"),
    ("goal = \"\"", "unknown goal without text"),
    ("goal = \"done\"", "the goal `done` never holds for this learner"),
    ("goal = \"loss\"", "unknown goal `loss`"),
    ("goal = 100", "`goal` can't be a whole number"),
    ("goal = 0.01", "`goal` can't be a number"),
    ("goal = true", "`goal` can't be true or false"),
    ("goal = [100]", "`goal` can't be a list"),
    ("goal = 2026-01-01", "`goal` can't be a date and time"),
    ("goal = {}", "the goal has no condition"),
    ("goal = { lss = 1 }", "unknown key `lss` in [goal]"),
    ("goal = { loss = -1 }", "`goal.loss` should be 0 or more"),
];
