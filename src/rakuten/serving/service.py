"""What the routes share: the live model, the engine, the store, keys and limits."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from rakuten.logs import get_logger
from rakuten.metrics import ServiceMetrics
from rakuten.models.predictor import Product
from rakuten.serving.engine import RETRY, Answer, Engine
from rakuten.serving.live_model import LiveModel
from rakuten.serving.problems import ServiceError
from rakuten.serving.settings import ServingSettings
from rakuten.store.store import Store

log = get_logger(__name__)
