// How the C library's heap treats the large buffers of messages; glibc only, nothing elsewhere.
#pragma once

// One pool in which the buffers of a message serve the next one, whichever thread has it: for a client that is to stay
// small. Buffers of their own would be zeroed by the kernel for every message, which took half of an upload's time.
void memory_share_buffers(void);

// Buffers are kept for the next message instead of being given back and zeroed again: for a server.
void memory_keep_buffers(void);
