// ArgumentParser commands and renderers.
