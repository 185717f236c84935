use super::{Case, case};

const TYPE: &str = "type = \"1d\"";
const BOUNDS: &str = "bounds = [-1, 1]";

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
    case(BOUNDS, "bounds = [-1, 1]\nlos = \"default\"", 13, "unknown key `los`"),
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
