#define _GNU_SOURCE
#include "CWasmtime.h"

#include <dlfcn.h>
#include <stdio.h>

struct cwasmtime_table cwasmtime;

const char *cwasmtime_load(const char *path) {
    static char message[1024];
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(message, sizeof message, "%s", dlerror());
        return message;
    }
    struct cwasmtime_table table;
#define CWASMTIME_BIND(result, name, parameters, arguments) \
    *(void **)&table.name = dlsym(library, #name); \
    if (!table.name) { \
        snprintf(message, sizeof message, "%s has no function " #name "; wasmtime 50 is needed", path); \
        dlclose(library); \
        return message; \
    }
    CWASMTIME_FUNCTIONS(CWASMTIME_BIND)
#undef CWASMTIME_BIND
    cwasmtime = table;
    return NULL;
}
