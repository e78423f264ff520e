"""The prediction service from a client's side: wire models and a typed HTTP client."""

from rakuten.client.http import Client
from rakuten.client.wire import (
    BatchOut,
    ClaimOut,
    FeedbackOut,
    ModelOut,
    PredictionOut,
    Problem,
    ProductTypeOut,
    ReviewPage,
    StoredPrediction,
)

__all__ = [
    "BatchOut",
    "ClaimOut",
    "Client",
    "FeedbackOut",
    "ModelOut",
    "PredictionOut",
    "Problem",
    "ProductTypeOut",
    "ReviewPage",
    "StoredPrediction",
]
