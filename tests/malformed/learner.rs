use super::{Case, case};

const TYPE: &str = "type = \"1d\"";
const BOUNDS: &str = "bounds = [-1, 1]";
/// All keys.
const LEARNER: &str = "type = \"1d\"\nbounds = [-1, 1]";

/// From the type of the learner to the goal.
const INTEGRATOR: &str =
    "type = \"1d\"\nbounds = [-1, 1]\n\n[goal]\nloss = 0.01\nnpoints = 10_000\nduration = \"2h\"\n";

macro_rules! integrator {
    ($tol:literal, $goal:literal) => {
        concat!("type = \"integrator\"\nbounds = [0, 1]\n", $tol, "\n[goal]\n", $goal, "\n")
    };
}

pub(super) const CASES: &[Case] = &[
    case(TYPE, "type = \"1D\"", 11, "1D"),
    case(TYPE, "type = \"one\"", 11, "one"),
    case(TYPE, "type = 1", 11, "learner.type"),
    case(TYPE, "", 10, "`learner.type` is missing"),
    case(BOUNDS, "", 10, "`learner.bounds` is missing"),
    case(BOUNDS, "bouds = [-1, 1]", 10, "`learner.bounds` is missing"),
    case(BOUNDS, "bounds = -1", 12, "learner.bounds"),
    case(BOUNDS, "bounds = []", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [1]", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [-1, 0, 1]", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [1, -1]", 12, "bounds should be two finite numbers"),
    case(BOUNDS, "bounds = [1, 1]", 12, "bounds should be two finite numbers"),
    case(BOUNDS, "bounds = [0, inf]", 12, "bounds should be two finite numbers"),
    case(BOUNDS, "bounds = [nan, 1]", 12, "bounds should be two finite numbers"),
    case(BOUNDS, "bounds = [\"a\", \"b\"]", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [-1, 1]\nloss = \"curvture\"", 13, "curvture"),
    case(BOUNDS, "bounds = [-1, 1]\nloss = 3", 13, "learner.loss"),
    case(BOUNDS, "bounds = [-1, 1]\nloss = {}", 13, "learner.loss"),
    case(BOUNDS, "bounds = [-1, 1]\nloss = { name = \"curvature\", area = 2 }", 13, "unknown key `area`"),
    case(BOUNDS, "bounds = [-1, 1]\nloss = { name = \"resolution\", min_length = \"a\" }", 13, "min_length"),
    case(BOUNDS, "bounds = [-1, 1]\nloss = \"level\"", 13, "`learner.loss.levels` is missing"),
    case(
        BOUNDS,
        "bounds = [-1, 1]\nloss = { name = \"level\", levels = [] }",
        13,
        "one or more finite numbers",
    ),
    case(
        BOUNDS,
        "bounds = [-1, 1]\nloss = { name = \"level\", levels = [0], resolution = 0 }",
        13,
        "above 0",
    ),
    case(BOUNDS, "bounds = [-1, 1]\nloss = \"thresholded\"", 13, "lower_threshold"),
    case(
        BOUNDS,
        "bounds = [-1, 1]\nloss = { name = \"thresholded\", lower_threshold = 2, upper_threshold = 1 }",
        13,
        "less than",
    ),
    case(
        BOUNDS,
        "bounds = [-1, 1]\nloss = { name = \"interpolation_error\", exploration = -1 }",
        13,
        "exploration",
    ),
    case(BOUNDS, "bounds = [-1, 1]\ninteger = 1", 13, "learner.integer"),
    case(BOUNDS, "bounds = [-1, 1.5]\ninteger = true", 12, "should be whole numbers"),
    case(BOUNDS, "bounds = [-1, 1]\npoints_first = 0.5", 13, "learner.points_first"),
    case(BOUNDS, "bounds = [-1, 1]\npoints_first = [0.5, 2]", 13, "2 is not a number from -1 to 1"),
    case(BOUNDS, "bounds = [-1, 1]\ninteger = true\npoints_first = [0.5]", 14, "0.5 is not a whole number"),
    case(LEARNER, "type = \"2d\"", 10, "`learner.bounds` is missing"),
    case(LEARNER, "type = \"2d\"\nbounds = [-1, 1]", 12, "learner.bounds[0]"),
    case(LEARNER, "type = \"2d\"\nbounds = [[-1, 1]]", 12, "two pairs of numbers"),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[-1, 1], [0, 1, 2]]",
        12,
        "`learner.bounds[1]` should be two numbers",
    ),
    case(LEARNER, "type = \"2d\"\nbounds = [[-1, 1], [0, \"1\"]]", 12, "learner.bounds[1][1]"),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[-1, 1], [2, 0]]",
        12,
        "the bounds of y should be two finite numbers",
    ),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[-inf, 1], [0, 1]]",
        12,
        "the bounds of x should be two finite numbers",
    ),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\nstack_size = 0", 13, "`learner.stack_size`"),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\naspect_ratio = -1", 13, "aspect ratio"),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\nloss = \"curvature\"",
        13,
        "unknown loss `curvature`",
    ),
    case(BOUNDS, "bounds = [-1, 1]\nlos = \"default\"", 13, "unknown key `los`"),
    case(LEARNER, "type = \"average\"", 10, "`learner.atol` or `learner.rtol` is missing"),
    case(LEARNER, "type = \"average\"\natol = 0", 12, "`learner.atol` should be larger than 0"),
    case(LEARNER, "type = \"average\"\natol = 1\nrtol = -1.0", 13, "`learner.rtol` should be larger than 0"),
    case(LEARNER, "type = \"average\"\natol = nan", 12, "`learner.atol` should be larger than 0"),
    case(LEARNER, "type = \"average\"\natol = \"small\"", 12, "learner.atol"),
    case(LEARNER, "type = \"average\"\natol = 1\nmin_npoints = -2", 13, "learner.min_npoints"),
    case(LEARNER, "type = \"average\"\natol = 1\nbounds = [-1, 1]", 13, "unknown key `bounds`"),
    case(LEARNER, "type = \"average1d\"", 10, "`learner.bounds` is missing"),
    case(TYPE, "type = \"average1d\"\ndelta = 0", 12, "`learner.delta` should be more than 0"),
    case(TYPE, "type = \"average1d\"\ndelta = 1.5", 12, "`learner.delta` should be more than 0"),
    case(TYPE, "type = \"average1d\"\nalpha = -0.1", 12, "`learner.alpha`"),
    case(TYPE, "type = \"average1d\"\nneighbor_sampling = nan", 12, "`learner.neighbor_sampling`"),
    case(TYPE, "type = \"average1d\"\nmin_samples = -1", 12, "`learner.min_samples`"),
    case(TYPE, "type = \"average1d\"\nmax_samples = 10", 12, "not less than `min_samples`"),
    case(TYPE, "type = \"average1d\"\nmin_samples = 0\nmax_samples = 0", 13, "`learner.max_samples`"),
    case(TYPE, "type = \"average1d\"\nmin_error = -1", 12, "`learner.min_error` should be 0 or more"),
    case(TYPE, "type = \"average1d\"\nscaled_distances = 1", 12, "learner.scaled_distances"),
    case(TYPE, "type = \"average1d\"\nmin_sample = 3", 12, "unknown key `min_sample`"),
    case(LEARNER, "type = \"data_saver\"", 10, "`learner.arg_picker` is missing"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = \"y\"", 10, "`learner.learner` is missing"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = \"\"", 12, "`learner.arg_picker` is empty"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = []", 12, "`learner.arg_picker` is empty"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = [\"y\", 1]", 12, "learner.arg_picker[1]"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = -1", 12, "can't be negative"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = 0.5", 12, "`learner.arg_picker` should be a name"),
    case(LEARNER, "type = \"data_saver\"\narg_picker = 0\nlearner = \"1d\"", 13, "learner.learner"),
    case(
        LEARNER,
        "type = \"data_saver\"\narg_picker = 0\nlearner = { bounds = [0, 1] }",
        13,
        "`learner.learner.type` is missing",
    ),
    case(
        LEARNER,
        "type = \"data_saver\"\narg_picker = 0\nlearner = { type = \"1d\" }",
        13,
        "`learner.learner.bounds` is missing",
    ),
    case(
        LEARNER,
        "type = \"data_saver\"\narg_picker = 0\nlearner = { type = \"1d\", bounds = [0, 1], los = 1 }",
        13,
        "unknown key `los`",
    ),
    // Integrals.
    case(
        INTEGRATOR,
        "type = \"integrator\"\nbounds = [0, 1]\n[goal]\ndone = true\n",
        10,
        "`learner.tol` is missing",
    ),
    case(INTEGRATOR, integrator!("tol = 1e-3", "loss = 0.1"), 15, "`goal.loss` is no goal for an integral"),
    case(INTEGRATOR, integrator!("tol = \"small\"", "done = true"), 13, "`learner.tol` should be a number"),
    case(INTEGRATOR, integrator!("tol = -1e-3", "done = true"), 13, "tol should be a number from 0 to 1"),
    case(INTEGRATOR, integrator!("tol = nan", "done = true"), 13, "tol should be a number from 0 to 1"),
    case(INTEGRATOR, integrator!("tol = 2", "done = true"), 13, "tol should be a number from 0 to 1"),
    case(INTEGRATOR, integrator!("tol = 1e-3\nloss = \"default\"", "done = true"), 14, "unknown key `loss`"),
];
