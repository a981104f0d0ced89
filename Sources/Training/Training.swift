// Datasets, training loop, metrics, checkpoints and the run folder.
