"""A registry of a process, with what every process says of itself."""

import platform

from prometheus_client import CollectorRegistry, Info, ProcessCollector, disable_created_metrics

from rakuten import __version__


def make_registry() -> CollectorRegistry:
    """A registry that shows the program's version, and the process's time, memory and files.

    It does not show when each series was made: Prometheus would store that beside every one.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info("rakuten_build", "Version of the program that runs.", registry=registry)
    build.info({"version": __version__, "python": platform.python_version()})
    return registry
