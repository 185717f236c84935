//! The pool: typed tasks on every worker, over MPI, threads or simulated time.
