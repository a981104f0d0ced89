// Graph of closed ops, reverse-mode transform, Plan and the portable executor.
