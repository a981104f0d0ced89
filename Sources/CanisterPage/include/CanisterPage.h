// The files of the page, put into the canister by scripts/build-canister.sh.
#pragma once
#include <stddef.h>

/// The gzipped bytes of one file of the page and their number; all zero beyond the last file.
struct CanisterPageFile {
    const unsigned char *_Nullable bytes;
    size_t size;
};

/// In the order of `canisterPageFiles` in files.c.
struct CanisterPageFile canister_page_file(int index);
