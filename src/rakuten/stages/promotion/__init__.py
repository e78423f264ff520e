"""From a registered version to the live one: score both, judge, move the alias, go back."""

from rakuten.stages.promotion.promote import Mode, Promotion, Request, run_promote
from rakuten.stages.promotion.register import run_register
from rakuten.stages.promotion.rollback import Rollback, run_rollback

__all__ = [
    "Mode",
    "Promotion",
    "Request",
    "Rollback",
    "run_promote",
    "run_register",
    "run_rollback",
]
