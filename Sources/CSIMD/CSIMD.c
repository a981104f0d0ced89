// Gives the header-only module an object file and lets the C compiler check the header.
#include "CSIMD.h"
