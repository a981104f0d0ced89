// SHA-256, CRC-32 and Adler-32 in embedded-safe Swift.
