//! Simplices, triangulations and predicates in D dimensions. Pure functions and flat data.
