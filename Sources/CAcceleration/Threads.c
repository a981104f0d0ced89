#define _POSIX_C_SOURCE 200112L
#include <dlfcn.h>
#include <stdlib.h>

#include "CAcceleration.h"

// libgomp's entry points; its own header is part of gcc, not of the library. The library that oneDNN was linked with is
// taken, so that both work with the same threads.
static void (*parallel)(void (*body)(void *), void *data, unsigned threads, unsigned flags);
static int (*thread_number)(void);
static int (*thread_count)(void);
static void (*set_threads)(int);

void deai_limit_waiting(void) {
    if (!getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "20000", 0);
}

const char *deai_load_threads(void) {
    void *library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    *(void **)&parallel = dlsym(library, "GOMP_parallel");
    *(void **)&thread_number = dlsym(library, "omp_get_thread_num");
    *(void **)&thread_count = dlsym(library, "omp_get_num_threads");
    *(void **)&set_threads = dlsym(library, "omp_set_num_threads");
    return parallel && thread_number && thread_count && set_threads ? 0 : "libgomp lacks a function";
}

typedef struct {
    void (*body)(void *, int, int);
    void *context;
} call;

static void enter(void *data) {
    const call *c = data;
    c->body(c->context, thread_number(), thread_count());
}

void deai_parallel(int threads, void (*body)(void *, int, int), void *context) {
    call c = {body, context};
    parallel(enter, &c, (unsigned)threads, 0);
}

void deai_set_threads(int threads) { set_threads(threads); }
