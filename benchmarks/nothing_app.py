"""An endpoint that does nothing: what FastAPI itself takes for a request and an answer like ours.

uvicorn --app-dir benchmarks nothing_app:app
"""

from fastapi import FastAPI

from rakuten.client.wire import PredictionOut, ProductIn

app = FastAPI()

_ANSWER = PredictionOut.model_validate(
    {
        "prediction_id": "01936a4c-7d1e-7c3a-9b0f-3f2a1c5d7e90",
        "prdtypecode": 2583,
        "label": "piscine et accessoires",
        "confidence": 0.9731482938471,
        "decision": "auto",
        "alternatives": [
            {"prdtypecode": 2585, "label": "bricolage et jardinage", "probability": 0.0123456789},
            {"prdtypecode": 1302, "label": "jeux d'extérieur", "probability": 0.0056789012345},
            {"prdtypecode": 2582, "label": "mobilier de jardin", "probability": 0.0012345678901},
        ],
        "modalities": ["text"],
        "image_status": "missing",
        "model": {"name": "rakuten-classifier", "version": 1, "sha256": "0" * 64},
    }
)


@app.post("/predict")
async def predict(_: ProductIn) -> PredictionOut:
    """Read a request, and answer the same thing always."""
    return _ANSWER
