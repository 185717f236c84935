use super::{Case, case};

const TYPE: &str = "type = \"1d\"";
const BOUNDS: &str = "bounds = [-1, 1]";

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
    case(BOUNDS, "bounds = [-1, 1]\nlos = \"default\"", 13, "unknown key `los`"),
];
