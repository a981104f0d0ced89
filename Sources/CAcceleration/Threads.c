#include "CAcceleration.h"

// libgomp's entry points; its own header is part of gcc, not of the library.
extern void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern void omp_set_num_threads(int);

typedef struct {
    void (*body)(void *, int, int);
    void *context;
} call;

static void enter(void *data) {
    const call *c = data;
    c->body(c->context, omp_get_thread_num(), omp_get_num_threads());
}

void deai_parallel(int threads, void (*body)(void *, int, int), void *context) {
    call c = {body, context};
    GOMP_parallel(enter, &c, (unsigned)threads, 0);
}

void deai_set_threads(int threads) { omp_set_num_threads(threads); }
