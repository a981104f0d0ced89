// The .deai model file and the integer-only executor.
