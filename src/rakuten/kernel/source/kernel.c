/* The whole kernel as one unit of compilation, so that calls between its parts are inlined. */
#include "clean.c"
#include "linear.c"
#include "ngrams.c"
