"""The shells of the pipeline's stages: typed paths and params in, a small report out."""
