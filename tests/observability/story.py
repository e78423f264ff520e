"""Series that are made up and written as OpenMetrics text, with moments in the past."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass
class Story:
    """Series by name and labels while they are made.

    Args:
        end: last moment, in seconds since 1970.
        seconds: length.
        step: seconds between two scrapes.
        seed: of the chance in it.
    """

    end: float
    seconds: float
    step: float = 15
    seed: int = 0
    series: dict[str, dict[tuple[tuple[str, str], ...], Values]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.times = np.arange(self.end - self.seconds, self.end + 1e-6, self.step)
        self.part = np.linspace(0, 1, len(self.times))
        self._chance = np.random.default_rng(self.seed)

    def put(self, name: str, values: Any, /, **labels: str) -> Values:
        """Keep one series; a single number stands for all times. NaN is absent."""
        full = np.broadcast_to(np.asarray(values, dtype=float), self.times.shape).copy()
        self.series.setdefault(name, {})[tuple(sorted(labels.items()))] = full
        return full

    def count(self, name: str, rate: Any, /, **labels: str) -> Values:
        """Keep a counter that grows by ``rate`` a second, by chance."""
        full = np.broadcast_to(np.asarray(rate, dtype=float), self.times.shape)
        steps = self._chance.poisson(np.clip(full, 0, None) * self.step)
        return self.put(name, np.cumsum(steps), **labels)

    def noise(self, size: float) -> Values:
        """Small changes around 1."""
        raw = self._chance.normal(0, size, len(self.times))
        return 1 + np.convolve(raw, np.ones(5) / 5, mode="same")

    def between(self, start: float, end: float) -> Values:
        """1 from a part of the time to another, 0 elsewhere."""
        return ((self.part >= start) & (self.part < end)).astype(float)

    def histogram(self, name: str, bounds: Any, shares: Any, rate: Any, /, **labels: str) -> None:
        """Keep a histogram; ``shares`` is how many lie at or under each bound."""
        count = np.cumsum(np.broadcast_to(rate, self.times.shape) * self.step)
        low, total = np.zeros_like(count), np.zeros_like(count)
        before = 0.0
        for bound, share in zip(bounds, shares, strict=True):
            under = np.cumsum(np.broadcast_to(rate * share, count.shape) * self.step)
            text = "+Inf" if np.isinf(bound) else f"{bound:g}"
            self.put(f"{name}_bucket", under, le=text, **labels)
            middle = before if np.isinf(bound) else (before + bound) / 2
            total, low, before = total + (under - low) * middle, under, min(bound, 1e9)
        self.put(f"{name}_count", count, **labels)
        self.put(f"{name}_sum", total, **labels)

    def text(self) -> Iterator[str]:
        """The lines of an OpenMetrics file."""
        for name, found in self.series.items():
            for labels, values in found.items():
                inside = ",".join(f'{key}="{value}"' for key, value in labels)
                for moment, value in zip(self.times, values, strict=True):
                    if not np.isnan(value):
                        yield f"{name}{{{inside}}} {value:.10g} {moment:.3f}\n"
        yield "# EOF\n"
