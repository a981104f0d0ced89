// Chunk plan, resume, verify, activate.
