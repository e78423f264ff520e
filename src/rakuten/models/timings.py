"""How long the phases of an answer take."""

from dataclasses import dataclass


@dataclass
class Timings:
    """Seconds of each phase, summed over all batches that were given it.

    ``decode`` and ``encode`` are of photos (the work of all threads), ``vectorise`` cleans texts
    and weighs their n-grams, ``predict`` is scores, fusion, ranking and the monitoring rows.
    """

    decode: float = 0.0
    encode: float = 0.0
    vectorise: float = 0.0
    predict: float = 0.0
