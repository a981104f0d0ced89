// The system API protocol, the one table of system calls and the wasm imports.
