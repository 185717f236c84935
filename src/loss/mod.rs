//! Losses: how much an interval or simplex still asks for refinement. Pure functions.
