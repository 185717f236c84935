use super::{Case, case};

const BUILTIN: &str = "builtin = \"peak\"";

pub(super) const CASES: &[Case] = &[
    case(BUILTIN, "", 3, "function"),
    case(BUILTIN, "builtin = \"peek\"", 4, "peek"),
    case(BUILTIN, "builtin = 1", 4, "function.builtin"),
    case(BUILTIN, "built_in = \"peak\"", 4, "unknown key `built_in`"),
    case(BUILTIN, "builtin = \"peak\"\nexpression = \"x\"", 5, "expression"),
    case(BUILTIN, "builtin = \"ring_2d\"", 4, "ring_2d"),
    case(BUILTIN, "builtin = \"peak\"\ntimeout = \"soon\"", 5, "function.timeout"),
    case(BUILTIN, "builtin = \"peak\"\nisolate = 1", 5, "function.isolate"),
    case(BUILTIN, "builtin = \"peak\"\nthreads = 0", 5, "function.threads"),
    case(BUILTIN, "builtin = \"peak\"\ntimout = 3", 5, "unknown key `timout`"),
    case(BUILTIN, "expression = \"x + b\"", 4, "b"),
    case(BUILTIN, "expression = \"x + ofset\"", 4, "ofset"),
    case(BUILTIN, "expression = \"x + (a\"", 4, ""),
    case(BUILTIN, "expression = \"x +\"", 4, ""),
    case(BUILTIN, "expression = \"sine(x)\"", 4, "sine"),
    case(BUILTIN, "expression = \"\"", 4, ""),
    case(BUILTIN, "expression = []", 4, "expression"),
    case(BUILTIN, "expression = 3", 4, "expression"),
    case(BUILTIN, "command = []", 4, "command"),
    case(BUILTIN, "command = \"\"", 4, "command"),
    case(BUILTIN, "command = [\"sim\", \"{y}\"]", 4, "{y}"),
    case(BUILTIN, "command = [\"sim\", \"{x\"]", 4, ""),
    case(BUILTIN, "command = [\"sim\", 3]", 4, "command"),
    case(BUILTIN, "program = 3", 4, "program"),
    case(BUILTIN, "python = \"model.py\"", 4, "python"),
    case(BUILTIN, "python = \":h\"", 4, "python"),
    case(BUILTIN, "library = \"libmodel.so\"", 4, "library"),
    case(BUILTIN, "rust = \"h\"", 4, "h"),
];
