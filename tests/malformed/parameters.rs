//! Parameters and cases.

use crate::{Case, case};

const LIST: &str = "a = [0.01, 0.1]";
const RANGE: &str = "{ start = 0.0, stop = 0.9, num = 10 }";
const HEADER: &str = "[parameters]\n";
const NAME: &str = "name = \"resonance\"";

pub(crate) const CASES: &[Case] = &[
    // Names.
    case(LIST, "a-b = 1", 8, "`a-b` can't be the name of a parameter"),
    case(LIST, "\"a b\" = 1", 8, "`a b` can't be the name of a parameter"),
    case(LIST, "1a = 1", 8, "`1a` can't be the name of a parameter"),
    case(LIST, "\"a.b\" = 1", 8, "`a.b` can't be the name of a parameter"),
    case(LIST, "\"{a}\" = 1", 8, "can't be the name of a parameter"),
    case(LIST, "-a = 1", 8, "`-a` can't be the name of a parameter"),
    // Single values.
    case(LIST, "a = nan", 8, "`parameters.a` is nan"),
    case(LIST, "a = 2026-01-01", 8, "`parameters.a` can't be a date and time"),
    case(LIST, "a = 08:00:00", 8, "`parameters.a` can't be a date and time"),
    // Lists.
    case(LIST, "a = []", 8, "`parameters.a` has no values"),
    case(LIST, "a = [[1, 2], [3, 4]]", 8, "`parameters.a[0]` can't be a list"),
    case(LIST, "a = [1, { b = 2 }]", 8, "`parameters.a[1]` can't be a table"),
    case(LIST, "a = [1, 2026-01-01]", 8, "`parameters.a[1]` can't be a date and time"),
    case(LIST, "a = [\n  1,\n  nan,\n]", 10, "`parameters.a[1]` is nan"),
    case(LIST, "a = [1, \"two\"]", 8, "`parameters.a[1]` is text, but `parameters.a[0]` is a number"),
    case(LIST, "a = [\"one\", 2]", 8, "`parameters.a[1]` is a number, but `parameters.a[0]` is text"),
    case(LIST, "a = [true, 2]", 8, "`parameters.a[1]` is a number, but `parameters.a[0]` is true or false"),
    case(LIST, "a = [0.5,\n 0.25,\n 0.5]", 10, "`parameters.a` has the value 0.5 twice"),
    case(LIST, "a = [1, 1.0]", 8, "`parameters.a` has the value 1.0 twice"),
    case(LIST, "a = [0.0, -0.0]", 8, "`parameters.a` has the value -0.0 twice"),
    case(LIST, "a = [\"u\", \"u\"]", 8, "`parameters.a` has the value u twice"),
    case(LIST, "a = [true, false, true]", 8, "`parameters.a` has the value true twice"),
    // Ranges.
    case(RANGE, "{}", 7, "`parameters.offset.start` is missing"),
    case(RANGE, "{ start = 0 }", 7, "`parameters.offset.stop` is missing"),
    case(RANGE, "{ stop = 1, num = 3 }", 7, "`parameters.offset.start` is missing"),
    case(RANGE, "{ start = 0, num = 3 }", 7, "`parameters.offset.stop` is missing"),
    case(RANGE, "{ start = 0, stop = 1 }", 7, "`parameters.offset` needs a num or a step"),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = 2, step = 1 }",
        7,
        "`parameters.offset` has both a num and a step",
    ),
    case(RANGE, "{ start = 0, stop = 1, nun = 3 }", 7, "unknown key `nun` in [parameters.offset]"),
    case(RANGE, "{ start = 0, end = 1, num = 3 }", 7, "unknown key `end` in [parameters.offset]"),
    case(RANGE, "{ begin = 0, stop = 1, num = 3 }", 7, "unknown key `begin` in [parameters.offset]"),
    case(
        RANGE,
        "{ start = \"0\", stop = 1, num = 3 }",
        7,
        "`parameters.offset.start` should be a number, but is text",
    ),
    case(
        RANGE,
        "{ start = [0], stop = 1, num = 3 }",
        7,
        "`parameters.offset.start` should be a number, but is a list",
    ),
    case(RANGE, "{ start = 0, stop = true, num = 3 }", 7, "`parameters.offset.stop` should be a number"),
    case(RANGE, "{ start = nan, stop = 1, num = 3 }", 7, "`parameters.offset.start` should be finite"),
    case(RANGE, "{ start = 0, stop = inf, num = 3 }", 7, "`parameters.offset.stop` should be finite"),
    case(RANGE, "{ start = 0, stop = 1, num = 0 }", 7, "`parameters.offset.num` is 0"),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = -3 }",
        7,
        "`parameters.offset.num` should be a whole number, 0 or more",
    ),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = 2.5 }",
        7,
        "`parameters.offset.num` should be a whole number, 0 or more",
    ),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = \"3\" }",
        7,
        "`parameters.offset.num` should be a whole number, but is text",
    ),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = 10_000_001 }",
        7,
        "`parameters.offset.num` is 10000001, more than 10000000",
    ),
    case(RANGE, "{ start = 0, stop = 1, num = 9e15 }", 7, "should be a whole number"),
    case(RANGE, "{ start = 1, stop = 1, num = 3 }", 7, "start and stop are equal"),
    case(RANGE, "{ start = 1.0, stop = 1.0000000000000002, num = 3 }", 7, "has the value 1 twice"),
    case(RANGE, "{ start = 0, stop = 1, step = 0 }", 7, "`parameters.offset.step` does not lead from 0 to 1"),
    case(
        RANGE,
        "{ start = 0, stop = 1, step = -0.1 }",
        7,
        "`parameters.offset.step` does not lead from 0 to 1",
    ),
    case(
        RANGE,
        "{ start = 1, stop = 0, step = 0.1 }",
        7,
        "`parameters.offset.step` does not lead from 1 to 0",
    ),
    case(RANGE, "{ start = 0, stop = 1, step = nan }", 7, "does not lead"),
    case(RANGE, "{ start = 0, stop = 1, step = 1e-9 }", 7, "`parameters.offset` gives 1000000000 values"),
    case(RANGE, "{ start = 0, stop = 1, num = 3, spacing = \"logs\" }", 7, "unknown spacing `logs`"),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = 3, spacing = 2 }",
        7,
        "`parameters.offset.spacing` should be text",
    ),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = 3, spacing = \"log\" }",
        7,
        "can't have log spacing from 0 to 1",
    ),
    case(
        RANGE,
        "{ start = -1, stop = 1, num = 3, spacing = \"log\" }",
        7,
        "can't have log spacing from -1 to 1",
    ),
    case(RANGE, "{ start = 1, stop = 2, step = 1, spacing = \"log\" }", 7, "log spacing has no fixed step"),
    case(
        RANGE,
        "{ start = 0, stop = 1, num = 6_000_000 }",
        6,
        "there are 6000000 x 2 combos, more than 10000000",
    ),
    // The section.
    case("[parameters]", "[[parameters]]", 6, "`parameters` should be a table, but is a list"),
    case(HEADER, "[parameters.sub]\n", 7, "unknown key `offset` in [parameters.sub]"),
    // Cases.
    case(NAME, "cases = []", 1, "`cases` is empty"),
    case(NAME, "cases = 3", 1, "`cases` should be a list, but is a whole number"),
    case(NAME, "cases = [3]", 1, "`cases[0]` should be a table, but is a whole number"),
    case(NAME, "cases = [{ b = 1 }, 3]", 1, "`cases[1]` should be a table"),
    case(NAME, "cases = [{}]", 1, "`cases` is empty"),
    case(NAME, "cases = { b = 1 }", 1, "`cases` should be a list, but is a table"),
    case(NAME, "cases = [{ b = [1] }]", 1, "`cases[0].b` can't be a list"),
    case(NAME, "cases = [{ b = nan }]", 1, "`cases[0].b` is nan"),
    case(NAME, "cases = [{ \"b c\" = 1 }]", 1, "`b c` can't be the name"),
    case(NAME, "cases = [{ a = 1 }]", 8, "`a` is in [[cases]] and in [parameters]"),
    case(NAME, "cases = [\n{ b = 1 },\n{ b = 1 },\n]", 3, "`cases[1]` is the same as `cases[0]`"),
    case(NAME, "cases = [\n{ b = 1, c = 2 },\n{ b = 1 },\n]", 3, "`cases[1].c` is missing"),
    case(NAME, "cases = [\n{ b = 1 },\n{ b = 2, c = 1 },\n]", 3, "`c` is not in the first of the [[cases]]"),
];
