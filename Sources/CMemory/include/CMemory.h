// How the C library's heap treats the large buffers of messages; glibc only, nothing elsewhere.
#pragma once

// Buffers from 128 KiB on go back to the system as soon as they are free, and few pools hold the small ones: for a
// client that is to stay small.
void memory_return_buffers(void);

// Buffers are kept for the next message instead of being given back and zeroed again: for a server.
void memory_keep_buffers(void);
