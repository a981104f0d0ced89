// Layers, presets, losses, optimizers and the Learner.
