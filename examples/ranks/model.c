/* The sum of 1 / (k^2 + x^2) over k = 1, 2, ..., each rank adding every size-th term.
 *
 *   mpicc -O2 -shared -fPIC -o libmodel.so model.c -lm
 */
#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

static const char *why = "";

/* x: the shift. parameters: how many terms. y: the sum. fcomm: the ranks that call this together. */
int model(const double *x, size_t nx, const double *parameters, size_t np, uint64_t seed, double *y, size_t ny,
          int fcomm)
{
    (void)seed;
    if (nx != 1 || np != 1 || ny != 1) {
        /* All ranks see the same arguments, so all of them return here. */
        why = "one coordinate, one parameter and one output are wanted";
        return 1;
    }
    MPI_Comm comm = MPI_Comm_f2c((MPI_Fint)fcomm);
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    double own = 0;
    for (long k = 1 + rank; k <= (long)parameters[0]; k += size)
        own += 1 / ((double)k * (double)k + x[0] * x[0]);
    if (MPI_Allreduce(&own, y, 1, MPI_DOUBLE, MPI_SUM, comm) != MPI_SUCCESS) {
        why = "the ranks could not add up their parts";
        return 2;
    }
    return 0;
}

const char *model_error(void) { return why; }
