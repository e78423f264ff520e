"""Compiles the kernel when the package is built or installed, an editable install included."""

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNEL = Path("src/rakuten/kernel")
LIBRARY = KERNEL / "_kernel.so"
TABLES = "unicode_tables.h"

# One compiler for everybody (the wheel `ziglang` brings it) and one processor target, so that
# a package built here runs, and answers alike, on any other machine of the same kind.
FLAGS = ("-O3", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off")
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-g0", "-s")


def target() -> list[str]:
    """Compiler arguments for this kind of machine: its oldest C library and processor."""
    machine = platform.machine().lower()
    x86 = machine in ("x86_64", "amd64")
    if sys.platform == "linux":
        musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
        triple = f"{'x86_64' if x86 else machine}-linux-{'musl' if musl else 'gnu.2.17'}"
        return ["-target", triple, f"-mcpu={'x86_64_v2' if x86 else 'baseline'}"]
    return [f"-mcpu={'x86_64_v2' if x86 else 'baseline'}"]


def compile_kernel(root: Path) -> Path:
    """Write the tables and the library; returns the library."""
    source = root / KERNEL / "source"
    subprocess.run(
        [sys.executable, str(source / "make_tables.py"), str(source / TABLES)], check=True
    )
    compiler = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *WARNINGS, *target()]
    fresh = root / LIBRARY.with_suffix(".fresh")
    subprocess.run([*compiler, "-o", str(fresh), str(source / "kernel.c")], check=True)
    fresh.replace(root / LIBRARY)  # a process that has the old one open keeps it
    return root / LIBRARY


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Hatchling's seam for build steps."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - its form
        """Compile, and say that the wheel fits this kind of machine only."""
        compile_kernel(Path(self.root))
        tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        if tag.startswith("linux_"):
            tag = f"manylinux2014_{tag.removeprefix('linux_')}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"
        build_data["artifacts"].append(str(LIBRARY))
