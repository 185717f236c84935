use super::{Case, case};

const TYPE: &str = "type = \"1d\"";
const BOUNDS: &str = "bounds = [-1, 1]";
const BOTH: &str = "type = \"1d\"\nbounds = [-1, 1]";

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
    case(BOTH, "type = \"2d\"", 10, "`learner.bounds` is missing"),
    case(BOTH, "type = \"2d\"\nbounds = [-1, 1]", 12, "learner.bounds[0]"),
    case(BOTH, "type = \"2d\"\nbounds = [[-1, 1]]", 12, "two pairs of numbers"),
    case(
        BOTH,
        "type = \"2d\"\nbounds = [[-1, 1], [0, 1, 2]]",
        12,
        "`learner.bounds[1]` should be two numbers",
    ),
    case(BOTH, "type = \"2d\"\nbounds = [[-1, 1], [0, \"1\"]]", 12, "learner.bounds[1][1]"),
    case(
        BOTH,
        "type = \"2d\"\nbounds = [[-1, 1], [2, 0]]",
        12,
        "the bounds of y should be two finite numbers",
    ),
    case(
        BOTH,
        "type = \"2d\"\nbounds = [[-inf, 1], [0, 1]]",
        12,
        "the bounds of x should be two finite numbers",
    ),
    case(BOTH, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\nstack_size = 0", 13, "`learner.stack_size`"),
    case(BOTH, "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\naspect_ratio = -1", 13, "aspect ratio"),
    case(
        BOTH,
        "type = \"2d\"\nbounds = [[0, 1], [0, 1]]\nloss = \"curvature\"",
        13,
        "unknown loss `curvature`",
    ),
    case(BOUNDS, "bounds = [-1, 1]\nlos = \"default\"", 13, "unknown key `los`"),
];
