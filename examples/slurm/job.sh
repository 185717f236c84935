#!/bin/bash
# A study as a SLURM job over two nodes: one MPI world, rank 0 runs the learners, all others evaluate.
#
#   sbatch job.sh
#
# Where the time of a job is not enough, the study stops in good order before the limit, saves, and ends with 75;
# the job then submits itself again and goes on where it stopped. The binary is built with MPICH
# (scripts/build mpich examples/slurm), which is what `srun --mpi=pmi2` starts; with Open MPI use --mpi=pmix.

#SBATCH --job-name=wire
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=3
#SBATCH --time=00:10:00
#SBATCH --output=job-%j.out

cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
program=${ADAPTIVE_MPI:-./adaptive-mpi}
srun --mpi=pmi2 "$program" run adaptive.toml
code=$?
# A worker that dies costs the time of its points only, but srun ends with its code, whatever the study has come to.
if [ "$code" -gt 128 ]; then
  case $("$program" status adaptive.toml | head -n 1) in
    *": goal reached") code=0 ;;
    *": stopped") code=75 ;;
  esac
fi
if [ "$code" = 75 ] && [ "${RESUBMIT:-yes}" = yes ]; then
  echo "stopped early: going on in another job"
  sbatch job.sh
fi
exit "$code"
