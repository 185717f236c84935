//! Checkpoint and journal: every result on disk, at any moment.
