//! Sections that are missing, misspelt or no sections, and the name.

use crate::{Case, case};

pub(crate) const CASES: &[Case] = &[
    // Missing.
    case("[function]\nbuiltin = \"peak\"\n", "", 27, "`function` is missing"),
    case("[learner]\ntype = \"1d\"\nbounds = [-1, 1]\n", "", 26, "`learner` is missing"),
    case("[goal]\nloss = 0.01\nnpoints = 10_000\nduration = \"2h\"\n", "", 25, "`goal` is missing"),
    // Misspelt.
    case("[function]", "[funtion]", 3, "unknown section `funtion`"),
    case("[function]", "[Function]", 3, "unknown section `Function`"),
    case("[parameters]", "[parameter]", 6, "unknown section `parameter`"),
    case("[parameters]", "[combos]", 6, "unknown section `combos`"),
    case("[learner]", "[learners]", 10, "unknown section `learners`"),
    case("[goal]", "[goals]", 14, "unknown section `goals`"),
    case("[balancing]", "[balance]", 19, "unknown section `balance`"),
    case("[run]", "[runner]", 22, "unknown section `runner`"),
    case("[checkpoint]", "[checkpoints]", 25, "unknown section `checkpoints`"),
    case("[scheduler]", "[slurm]", 28, "unknown section `slurm`"),
    case("[scheduler]", "[checkpoint.scheduler]", 28, "unknown key `scheduler` in [checkpoint]"),
    case("name = \"resonance\"", "nme = \"resonance\"", 1, "unknown key `nme`"),
    case("name = \"resonance\"", "title = \"resonance\"", 1, "unknown key `title`"),
    case("name = \"resonance\"", "retries = 3", 1, "unknown key `retries`"),
    case("name = \"resonance\"", "bounds = [-1, 1]", 1, "unknown section `bounds`"),
    case("name = \"resonance\"", "npoints = 100", 1, "unknown key `npoints`"),
    case("name = \"resonance\"", "\"na me\" = 1", 1, "unknown key `na me`"),
    // No sections.
    case(
        "name = \"resonance\"\n\n[function]\nbuiltin = \"peak\"",
        "function = \"peak\"",
        1,
        "`function` should be a table, but is text",
    ),
    case("[run]\nretries = 5", "[[run]]", 22, "`run` should be a table, but is a list"),
    case("name = \"resonance\"", "run = \"fast\"", 22, "duplicate key"),
    // The name.
    case("name = \"resonance\"", "name = 3", 1, "`name` should be text in quotes, but is a whole number"),
    case("name = \"resonance\"", "name = true", 1, "`name` should be text"),
    case(
        "name = \"resonance\"",
        "name = [\"resonance\"]",
        1,
        "`name` should be text in quotes, but is a list",
    ),
    case("name = \"resonance\"", "name = \"\"", 1, "an empty text can't be the name of a study"),
    case("name = \"resonance\"", "name = \"a/b\"", 1, "`a/b` can't be the name of a study"),
    case("name = \"resonance\"", "name = \"..\"", 1, "`..` can't be the name"),
    case("name = \"resonance\"", "name = \".hidden\"", 1, "`.hidden` can't be the name"),
    case("name = \"resonance\"", "name = \"my study\"", 1, "`my study` can't be the name"),
    case("name = \"resonance\"", "name = \"-n\"", 1, "`-n` can't be the name"),
    case("name = \"resonance\"", "name = \"a\\\\b\"", 1, "can't be the name"),
    case("name = \"resonance\"", "name = \"a:b\"", 1, "can't be the name"),
    case("name = \"resonance\"", "name = \"a\\tb\"", 1, "can't be the name"),
    // Balancing.
    case("strategy = \"loss\"", "strategy = \"lost\"", 20, "unknown strategy `lost`"),
    case("strategy = \"loss\"", "strategy = \"round robin\"", 20, "unknown strategy `round robin`"),
    case("strategy = \"loss\"", "strategy = \"Cycle\"", 20, "unknown strategy `Cycle`"),
    case("strategy = \"loss\"", "strategy = 1", 20, "`balancing.strategy` should be text"),
    case("strategy = \"loss\"", "strategy = [\"loss\"]", 20, "`balancing.strategy` should be text"),
    case("strategy = \"loss\"", "stratgy = \"loss\"", 20, "unknown key `stratgy` in [balancing]"),
    case(
        "strategy = \"loss\"",
        "strategy = \"loss\"\nweights = [1]",
        21,
        "unknown key `weights` in [balancing]",
    ),
];
