"""The compiled kernel: text cleaning, hashed n-grams, linear training and scoring, through ctypes.

The C sources are in ``source``; ``hatch_build.py`` compiles them when the package is built or
installed. Calls release the interpreter lock, so work is divided among plain threads.
"""
