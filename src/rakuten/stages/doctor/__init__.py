"""Look at a project from all sides and say what is wrong, where, and what to do; change nothing."""

from rakuten.stages.doctor.check import Check
from rakuten.stages.doctor.run import run_doctor, usable_settings

__all__ = ["Check", "run_doctor", "usable_settings"]
