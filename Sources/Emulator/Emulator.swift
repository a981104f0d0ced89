// An application subnet on a laptop.
