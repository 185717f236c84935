#!/bin/bash
# A study as a SLURM job over two nodes: one MPI world, rank 0 runs the learners, all others evaluate.
#
#   sbatch job.sh
#
# Where the time of a job is not enough, the study stops in good order before the limit, saves, and ends with 75;
# the job then submits itself again and goes on where it stopped, if it has added a result, and at most RESUBMIT times
# [20]. Options belong in the lines below: those of the command line are not handed on. The binary is built with MPICH
# (scripts/build mpich examples/slurm), which is what `srun --mpi=pmi2` starts; with Open MPI use --mpi=pmix.

#SBATCH --job-name=wire
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=3
#SBATCH --time=00:10:00
#SBATCH --output=job-%j.out

cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
program=${ADAPTIVE_MPI:-./adaptive-mpi}
# What the files of the study say.
field() { "$program" status --json adaptive.toml 2>/dev/null | grep -o "\"$1\":[^,}]*" | head -n 1; }
results() { field npoints; field early; field failed_attempts; }
last_end=$(field ended_at)
results_before=$(results)

srun --mpi=pmi2 "$program" run adaptive.toml
code=$?
# A worker that dies costs the time of its points only, but srun ends with its code, whatever the study has come to.
# The files tell that, unless this run has not come so far as to begin: then they tell of the one before.
if [ "$code" -gt 128 ] && [ "$(field ended_at)" != "$last_end" ]; then
  case $(field state) in
    *'"goal reached"') code=0 ;;
    *'"stopped"') code=75 ;;
  esac
fi
if [ "$code" = 75 ] && [ "$(results)" = "$results_before" ]; then
  echo "stopped early, without a new result: another job would hardly get further, so none is submitted"
elif [ "$code" = 75 ] && [ "${RESUBMIT:=20}" -gt 0 ]; then
  # The job's own copy of this script. What this job knows of its requeues is not true of the next one.
  if RESUBMIT=$((RESUBMIT - 1)) env -u SLURM_RESTART_COUNT sbatch "$0"; then
    echo "stopped early: going on in that job"
  else
    echo "stopped early, and no other job could be submitted: submit it again to go on"
  fi
fi
exit "$code"
