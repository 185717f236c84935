//! `[checkpoint]` and `[scheduler]`.

use crate::{Case, case};

const FOLDER: &str = "folder = \"data\"";
const SYSTEM: &str = "system = \"slurm\"";

pub(crate) const CASES: &[Case] = &[
    case(FOLDER, "folder = 3", 26, "`checkpoint.folder` should be text in quotes, but is a whole number"),
    case(FOLDER, "folder = true", 26, "`checkpoint.folder` should be text in quotes"),
    case(FOLDER, "folder = [\"data\"]", 26, "`checkpoint.folder` should be text in quotes, but is a list"),
    case(FOLDER, "folder = \"\"", 26, "`checkpoint.folder` is empty"),
    case(FOLDER, "flder = \"data\"", 26, "unknown key `flder` in [checkpoint]"),
    case(FOLDER, "path = \"data\"", 26, "unknown key `path` in [checkpoint]"),
    case(FOLDER, "interval = 0", 26, "`checkpoint.interval` is 0"),
    case(FOLDER, "interval = -5", 26, "`checkpoint.interval` should be a time span"),
    case(FOLDER, "interval = \"5 mins ish\"", 26, "`checkpoint.interval` should be a time span"),
    case(FOLDER, "interval = false", 26, "`checkpoint.interval` should be a time span"),
    case(FOLDER, "interval = \"5min\"\nintervall = \"5min\"", 27, "unknown key `intervall` in [checkpoint]"),
    case(FOLDER, "compress = 9", 26, "`checkpoint.compress` should be true or false, but is a whole number"),
    case(FOLDER, "compress = \"gzip\"", 26, "`checkpoint.compress` should be true or false, but is text"),
    case(FOLDER, "compression = true", 26, "unknown key `compression` in [checkpoint]"),
    case(FOLDER, "sync_interval = \"never\"", 26, "`checkpoint.sync_interval` should be a time span"),
    case(FOLDER, "sync_interval = -1", 26, "`checkpoint.sync_interval` should be a time span"),
    case(FOLDER, "sync = \"1s\"", 26, "unknown key `sync` in [checkpoint]"),
    case(
        FOLDER,
        "folder.name = \"data\"",
        26,
        "`checkpoint.folder` should be text in quotes, but is a table",
    ),
    case("[checkpoint]", "[[checkpoint]]", 25, "`checkpoint` should be a table, but is a list"),
    case(SYSTEM, "system = \"lsf\"", 29, "unknown batch system `lsf`"),
    case(SYSTEM, "system = 3", 29, "`scheduler.system` should be text in quotes"),
    case(SYSTEM, "ntasks = \"many\"", 29, "`scheduler.ntasks` should be a whole number"),
    case(SYSTEM, "foo = 3", 29, "unknown key `foo` in [scheduler]"),
    case("[scheduler]", "[[scheduler]]", 28, "`scheduler` should be a table, but is a list"),
];
