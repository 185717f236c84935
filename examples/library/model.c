/* The period of a pendulum by its amplitude in radians, in units of the period of small swings.
 *
 *   cc -O2 -shared -fPIC -o libmodel.so model.c -lm
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

static const char *why = "";

/* x: amplitude. parameters: relative precision. y: period. */
int model(const double *x, size_t nx, const double *parameters, size_t np, uint64_t seed, double *y, size_t ny)
{
    (void)seed;
    if (nx != 1 || np != 1 || ny != 1) {
        why = "one coordinate, one parameter and one output are wanted";
        return 1;
    }
    if (!(fabs(x[0]) < M_PI)) {
        why = "the pendulum goes over the top";
        return 2;
    }
    /* An elliptic integral, by the arithmetic-geometric mean (Gauss). */
    double a = 1, b = cos(x[0] / 2);
    while (fabs(a - b) > parameters[0] * a) {
        double mean = (a + b) / 2;
        b = sqrt(a * b);
        a = mean;
    }
    y[0] = 1 / a;
    return 0;
}

/* Optional: the reason for the last status that was not 0. */
const char *model_error(void) { return why; }
