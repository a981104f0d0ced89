#ifndef DEAI_ONEDNN_H
#define DEAI_ONEDNN_H

// oneDNN's C API (Debian: libdnnl-dev), threaded by libgomp.
#include <oneapi/dnnl/dnnl.h>

#endif
