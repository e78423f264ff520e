"""Before a stage: can it write its results? Silence is a warning, a refusal an error."""

from rakuten.stages.preflight.run import Stage, before_stage, run_preflight

__all__ = ["Stage", "before_stage", "run_preflight"]
