#ifndef DEAI_ONEDNN_H
#define DEAI_ONEDNN_H

// oneDNN's C API (Debian: libdnnl-dev), threaded by libgomp; the library itself is looked for at run time.
#include <oneapi/dnnl/dnnl.h>

/// Finds the library (that of the environment's DEAI_ONEDNN, or version 2 where the system has it); null, or why not.
/// Before that succeeded no other function of this header may be called.
const char *deai_onednn_load(void);

#endif
