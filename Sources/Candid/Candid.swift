// Candid types, encoding and decoding with limits.
