#ifndef DEAI_MPI_H
#define DEAI_MPI_H

#include <stddef.h>

// The few collective operations that data-parallel training needs, of Open MPI 4 (Debian: libopenmpi3). Its library is
// looked for at run time and its headers are not needed: what this file's code relies on is the library's stable binary
// interface, in which handles are the addresses of global symbols.

/// Finds the library (that of the environment's DEAI_MPI, or libmpi.so.40); null, or why not.
/// Before that succeeded no other function of this header may be called.
const char *deai_mpi_load(void);

/// Joins the processes that mpirun started; 0, or an error code of the library. All later calls are for this thread.
int deai_mpi_join(int *rank, int *count);

/// Sums over all processes, in place.
int deai_mpi_sum_floats(float *numbers, size_t count);
int deai_mpi_sum_doubles(double *numbers, size_t count);

/// The bytes of process 0 in every process.
int deai_mpi_broadcast(void *bytes, size_t count);

/// Waits for all processes and parts from them.
int deai_mpi_leave(void);

/// Ends all processes; mpirun ends with the code.
void deai_mpi_abort(int code);

#endif
