use super::{Case, case};

const TYPE: &str = "type = \"1d\"";
const BOUNDS: &str = "bounds = [-1, 1]";
/// All keys.
const LEARNER: &str = "type = \"1d\"\nbounds = [-1, 1]";

/// From the type of the learner to the goal.
const INTEGRATOR: &str =
    "type = \"1d\"\nbounds = [-1, 1]\n\n[goal]\nloss = 0.01\nnpoints = 10_000\nduration = \"2h\"\n";

/// From the function to the learner.
const FUNCTION: &str = "builtin = \"peak\"\n\n[parameters]\noffset = { start = 0.0, stop = 0.9, num = 10 }\n\
     a = [0.01, 0.1]\n\n[learner]\ntype = \"1d\"\nbounds = [-1, 1]\n";

macro_rules! formula {
    ($expression:literal, $learner:literal) => {
        concat!("expression = ", $expression, "\n\n[learner]\n", $learner, "\n")
    };
}

macro_rules! integrator {
    ($tol:literal, $goal:literal) => {
        concat!("type = \"integrator\"\nbounds = [0, 1]\n", $tol, "\n[goal]\n", $goal, "\n")
    };
}

pub(super) const CASES: &[Case] = &[
    case(
        FUNCTION,
        formula!(
            "\"x\"",
            "type = \"1d\"\nbounds = [-1, 1]\nloss = { name = \"level\", levels = [0], component = 3 }"
        ),
        9,
        "the loss looks at its component 3, counted from 0, but it has only 1",
    ),
    case(
        FUNCTION,
        formula!(
            "[\"x\", \"y\"]",
            "type = \"nd\"\nbounds = [[0, 1], [0, 1]]\nloss = { name = \"thresholded\", lower_threshold = 0, component = 2 }"
        ),
        9,
        "the loss looks at its component 2, counted from 0, but it has only 2",
    ),
    case(
        FUNCTION,
        formula!("[\"seed\", \"seed\"]", "type = \"average\"\natol = 0.1"),
        6,
        "this learner can't learn from this function: the function returned 2 numbers instead of 1",
    ),
    case(
        "bounds = [-1, 1]",
        "bounds = [-1, 1]\nloss = { name = \"resolution\", min_length = 0.5, max_length = 0.1 }",
        13,
        "`min_length` should be less than `max_length`",
    ),
    case(TYPE, "type = \"1D\"", 11, "1D"),
    case(TYPE, "type = \"one\"", 11, "one"),
    case(TYPE, "type = 1", 11, "learner.type"),
    case(TYPE, "", 10, "`learner.type` is missing"),
    case(BOUNDS, "", 10, "`learner.bounds` is missing"),
    case(BOUNDS, "bouds = [-1, 1]", 12, "unknown key `bouds` in [learner], where `bounds` is missing"),
    case(BOUNDS, "bounds = -1", 12, "learner.bounds"),
    case(BOUNDS, "bounds = []", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [1]", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [-1, 0, 1]", 12, "learner.bounds"),
    case(BOUNDS, "bounds = [1, -1]", 12, "bounds should be two finite numbers"),
    case(BOUNDS, "bounds = [1, 1]", 12, "bounds should be two finite numbers"),
    case(BOUNDS, "bounds = [1e308, -1e308]", 12, "the smaller one first, but are [1e308, -1e308]"),
    case(
        BOUNDS,
        "bounds = [-1e308, 1e308]",
        12,
        "whose difference does not overflow, but are [-1e308, 1e308]",
    ),
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
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[0, 1], [-1e308, 1e308]]",
        12,
        "the bounds of y should be two numbers whose difference does not overflow",
    ),
    case(
        LEARNER,
        "type = \"nd\"\nbounds = [[0, 1], [0, 1], [-1e308, 1e308]]",
        12,
        "two numbers whose difference does not overflow, but those of axis 2 are",
    ),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\nstack_size = 0", 13, "`learner.stack_size`"),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\naspect_ratio = -1", 13, "aspect ratio"),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\nloss = \"curvature\"",
        13,
        "unknown loss `curvature`",
    ),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\npoints_first = [[0, 1], [0.5, 2]]",
        13,
        "`learner.points_first[1]`: y = 2 is not a number from 0 to 1",
    ),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\npoints_first = [0.5]", 13, "points_first[0]"),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\npoints_first = [[0.5]]", 13, "1 coordinates"),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\ninteger = 1",
        13,
        "`learner.integer` should be true",
    ),
    case(
        LEARNER,
        "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\ninteger = [true]",
        13,
        "`learner.integer` has 1 values, but there are 2 coordinates",
    ),
    case(LEARNER, "type = \"2d\"\nbounds = [[0, 1.5], [0, 1]]\ninteger = true", 12, "a bound of x is 1.5"),
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
    case(LEARNER, "type = \"nd\"", 10, "`learner.bounds` is missing"),
    case(LEARNER, "type = \"nd\"\nbounds = [-1, 1]", 12, "`learner.bounds[0]` should be a list"),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1]]", 12, "there should be 2 to 8 dimensions"),
    case(LEARNER, "type = \"nd\"\nbounds = []", 12, "there should be 2 to 8 dimensions"),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [0]]", 12, "`learner.bounds[1]` should be two numbers"),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [2, 0]]", 12, "those of axis 1 are [2, 0]"),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [0, nan]]", 12, "those of axis 1"),
    case(LEARNER, "type = \"nd\"\nhull = [[0, 0], [1, 1], [2, 2]]", 12, "needs at least 3 points"),
    case(LEARNER, "type = \"nd\"\nhull = [[0, 0], [1, 1, 1], [2, 0]]", 12, "point 1 has 3 coordinates"),
    case(LEARNER, "type = \"nd\"\nhull = [[0, inf], [1, 1], [2, 0]]", 12, "coordinate 1 of point 0"),
    case(LEARNER, "type = \"nd\"\nhull = []", 12, "there should be 2 to 8 dimensions"),
    case(
        LEARNER,
        "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nhull = [[0, 0]]",
        13,
        "either bounds or a hull",
    ),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nanisotropic = 1", 13, "learner.anisotropic"),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nloss = \"curvture\"", 13, "curvture"),
    case(
        LEARNER,
        "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nloss = { name = \"curvature\", exploration = -1 }",
        13,
        "`learner.loss.exploration` should be a finite number, 0 or more",
    ),
    case(
        LEARNER,
        "type = \"nd\"\nbounds = [[-1, 1], [0, 2.5]]\ninteger = [false, true]",
        12,
        "a corner of the domain is at 2.5",
    ),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\ninteger = [true, 1]", 13, "learner.integer[1]"),
    case(
        LEARNER,
        "type = \"nd\"\nhull = [[0, 0], [3, 0], [0, 3]]\npoints_first = [[2, 2]]",
        13,
        "[2.0, 2.0] lies outside of the hull",
    ),
    case(
        LEARNER,
        "type = \"nd\"\nhull = [[0, 0], [3, 0], [0, 3]]\ninteger = true\npoints_first = [[1, 0.5]]",
        14,
        "y = 0.5 is not a whole number from 0 to 3",
    ),
    case(TYPE, "type = \"average1d\"\npoints_first = [9]", 12, "x = 9 is not a number from -1 to 1"),
    case(LEARNER, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nloss = \"thresholded\"", 13, "lower_threshold"),
    case(
        LEARNER,
        "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nloss = { name = \"resolution\", min_distance = 2 }",
        13,
        "`min_distance` should be less than `max_distance`",
    ),
    // Sequences.
    case(LEARNER, "type = \"sequence\"", 10, "`learner.sequence` is missing"),
    case(LEARNER, "type = \"sequence\"\nsequence = 3", 12, "should be a list or a range"),
    case(LEARNER, "type = \"sequence\"\nsequence = []", 12, "has no elements"),
    case(LEARNER, "type = \"sequence\"\nsequence = [0, \"1\"]", 12, "learner.sequence"),
    case(LEARNER, "type = \"sequence\"\nsequence = [0, inf]", 12, "element 1 is not finite"),
    case(LEARNER, "type = \"sequence\"\nsequence = [[0, 0], [1]]", 12, "element 1 has 1 coordinates"),
    case(LEARNER, "type = \"sequence\"\nsequence = { start = 0, stop = 1 }", 12, "num"),
    case(LEARNER, "type = \"sequence\"\nsequence = { start = 0, stop = 1, num = 0 }", 12, "between 1 and"),
    case(LEARNER, "type = \"sequence\"\nsequence = [0, 1]\nbounds = [0, 1]", 13, "unknown key `bounds`"),
];
