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
    case(BOUNDS, "bounds = [-1, 1]\nlos = \"default\"", 13, "unknown key `los`"),
    case(BOTH, "type = \"nd\"", 10, "`learner.bounds` is missing"),
    case(BOTH, "type = \"nd\"\nbounds = [-1, 1]", 12, "`learner.bounds[0]` should be a list"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1]]", 12, "there should be 2 to 8 dimensions"),
    case(BOTH, "type = \"nd\"\nbounds = []", 12, "there should be 2 to 8 dimensions"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1], [0]]", 12, "`learner.bounds[1]` should be two numbers"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1], [2, 0]]", 12, "those of axis 1 are [2, 0]"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1], [0, nan]]", 12, "those of axis 1"),
    case(BOTH, "type = \"nd\"\nhull = [[0, 0], [1, 1], [2, 2]]", 12, "needs at least 3 points"),
    case(BOTH, "type = \"nd\"\nhull = [[0, 0], [1, 1, 1], [2, 0]]", 12, "point 1 has 3 coordinates"),
    case(BOTH, "type = \"nd\"\nhull = [[0, inf], [1, 1], [2, 0]]", 12, "coordinate 1 of point 0"),
    case(BOTH, "type = \"nd\"\nhull = []", 12, "there should be 2 to 8 dimensions"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nhull = [[0, 0]]", 13, "either bounds or a hull"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nanisotropic = 1", 13, "learner.anisotropic"),
    case(BOTH, "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nloss = \"curvture\"", 13, "curvture"),
    case(
        BOTH,
        "type = \"nd\"\nbounds = [[-1, 1], [0, 2]]\nloss = { name = \"curvature\", exploration = -1 }",
        13,
        "`learner.loss.exploration` should be a finite number, 0 or more",
    ),
];
