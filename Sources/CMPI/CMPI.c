#include "CMPI.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef void *handle;
enum { FUNNELED = 1 };
static void *const in_place = (void *)1;

static int (*init_thread)(int *, char ***, int, int *);
static int (*library_version)(char *, int *);
static int (*comm_rank)(handle, int *);
static int (*comm_size)(handle, int *);
static int (*allreduce)(const void *, void *, int, handle, handle, handle);
static int (*bcast)(void *, int, handle, int, handle);
static int (*barrier)(handle);
static int (*finalize)(void);
static int (*abort_all)(handle, int);
static handle world, type_float, type_double, type_byte, op_sum;

const char *deai_mpi_load(void) {
    const char *chosen = getenv("DEAI_MPI");
    // Global: the library's own plug-ins look for its symbols.
    void *library = dlopen(chosen && *chosen ? chosen : "libmpi.so.40", RTLD_NOW | RTLD_GLOBAL);
    if (!library) return dlerror();
#define FIND(target, name) \
    if (!(*(void **)&target = dlsym(library, name))) return "it is not Open MPI 4: it lacks " name;
    FIND(world, "ompi_mpi_comm_world")
    FIND(type_float, "ompi_mpi_float")
    FIND(type_double, "ompi_mpi_double")
    FIND(type_byte, "ompi_mpi_byte")
    FIND(op_sum, "ompi_mpi_op_sum")
    FIND(library_version, "MPI_Get_library_version")
    FIND(init_thread, "MPI_Init_thread")
    FIND(comm_rank, "MPI_Comm_rank")
    FIND(comm_size, "MPI_Comm_size")
    FIND(allreduce, "MPI_Allreduce")
    FIND(bcast, "MPI_Bcast")
    FIND(barrier, "MPI_Barrier")
    FIND(finalize, "MPI_Finalize")
    FIND(abort_all, "MPI_Abort")
    char version[256 + 1] = "";
    int length = 0;
    if (library_version(version, &length) || strncmp(version, "Open MPI", 8)) return "it is not Open MPI";
    return 0;
}

int deai_mpi_join(int *rank, int *count) {
    int provided = 0, error = init_thread(0, 0, FUNNELED, &provided);
    if (!error) error = comm_rank(world, rank);
    if (!error) error = comm_size(world, count);
    return error;
}

// Counts are ints in MPI 3.
enum { LARGEST = INT_MAX / 2 };

static int part(size_t count, size_t done) { return count - done < LARGEST ? (int)(count - done) : LARGEST; }

static int sum(char *numbers, size_t count, size_t size, handle type) {
    int error = 0;
    for (size_t done = 0; done < count && !error; done += LARGEST)
        error = allreduce(in_place, numbers + done * size, part(count, done), type, op_sum, world);
    return error;
}

int deai_mpi_sum_floats(float *numbers, size_t count) { return sum((char *)numbers, count, 4, type_float); }
int deai_mpi_sum_doubles(double *numbers, size_t count) { return sum((char *)numbers, count, 8, type_double); }

int deai_mpi_broadcast(void *bytes, size_t count) {
    int error = 0;
    for (size_t done = 0; done < count && !error; done += LARGEST)
        error = bcast((char *)bytes + done, part(count, done), type_byte, 0, world);
    return error;
}

int deai_mpi_leave(void) {
    int error = barrier(world);
    return error ? error : finalize();
}

void deai_mpi_abort(int code) { abort_all(world, code); }
