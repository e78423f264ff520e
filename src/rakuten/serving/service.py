"""What the routes share: the live model, the engine, the store, keys and limits."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any, TypeVar, cast

from fastapi import Request

from rakuten.errors import (
    ContractError,
    DatabaseAwayError,
    RecordRefusedError,
    StorageError,
    StoreError,
    UnknownPredictionError,
)
from rakuten.metrics.service import Meter
from rakuten.models.predictor import Product
from rakuten.serving.answers import alternatives, plain_explanation
from rakuten.serving.engine import Answer, Engine
from rakuten.serving.live_model import LiveModel
from rakuten.serving.outbox import Outbox
from rakuten.serving.problems import RETRY, ServiceError
from rakuten.serving.settings import ServingSettings
from rakuten.serving.webhook import WebhookVerifier
from rakuten.store.database import Database
from rakuten.store.keys import KeyRing
from rakuten.store.limits import Limiter
from rakuten.store.media import Media
from rakuten.store.records import (
    PredictionRecord,
    Record,
    new_prediction_id,
    plain_features,
)
from rakuten.store.spool import Spool
from rakuten.store.writer import Writer

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Service:
    """One running service."""

    settings: ServingSettings
    live: LiveModel
    engine: Engine
    meter: Meter
    database: Database
    spool: Spool
    writer: Writer
    media: Media
    keys: KeyRing
    limiter: Limiter
    webhooks: WebhookVerifier | None
    outbox: Outbox = field(init=False)
    tables: Event = field(default_factory=Event)
    """Set once the database has its tables."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "outbox", Outbox(self.writer))

    async def remember(
        self, products: Sequence[Product], answers: Sequence[Answer], key_id: str | None
    ) -> list[str]:
        """Make answers durable, with text and photo where content is kept; returns their ids.

        Raises:
            ServiceError: 503 where neither the database nor the spool takes them.
        """
        ids = [new_prediction_id() for _ in answers]
        if self.settings.store == "on":
            await self._keep(ids, products, answers, key_id)
        self.meter.predictions([answer.prediction for answer in answers])
        return ids

    async def _keep(
        self,
        ids: Sequence[str],
        products: Sequence[Product],
        answers: Sequence[Answer],
        key_id: str | None,
    ) -> None:
        start = time.perf_counter()
        photos = {
            row: photo
            for row, pair in enumerate(zip(products, answers, strict=True))
            if (photo := self._photo(*pair))
        }
        hashes = await asyncio.gather(*map(self._keep_photo, photos.values())) if photos else []
        kept = dict(zip(photos, hashes, strict=True))
        rows = enumerate(zip(ids, products, answers, strict=True))
        await self.save([self._record(*parts, kept.get(row), key_id) for row, parts in rows])
        if photos:  # an erasure may have run in between
            await self._ask_media(lambda: [*map(self.media.ensure, photos.values())])
        self.meter.stored(time.perf_counter() - start)

    async def save(self, records: Sequence[Record]) -> None:
        """Wait until records are on disk.

        Raises:
            ServiceError: 503 where they cannot be kept, 422 where one never can.
        """
        try:
            await self.outbox.keep(records)
        except RecordRefusedError as error:
            raise ServiceError(422, error.message, reason="not_storable") from error
        except StoreError as error:
            raise _no_store(error) from error

    async def _keep_photo(self, photo: bytes) -> str:
        """Make a photo durable; returns its sha256.

        Raises:
            ServiceError: 503 where its place does not take it.
        """
        return await self._ask_media(lambda: self.media.put(photo))

    async def _ask_media(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            return await asyncio.to_thread(work)
        except (StoreError, StorageError) as error:
            raise _no_store(error) from error

    async def ask_store(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something with the database off the event loop.

        Raises:
            ServiceError: 404 for what is not there, 400 for a bad cursor, 503 for an outage.
        """
        try:
            return await asyncio.to_thread(work)
        except UnknownPredictionError as error:
            raise ServiceError(404, error.message, reason="unknown_prediction") from error
        except ContractError as error:
            raise ServiceError(400, error.message, reason="cursor") from error
        except DatabaseAwayError as error:
            raise _no_store(error) from error

    @property
    def store_up(self) -> bool:
        """Whether the database has its tables and took what it was given last."""
        return self.tables.is_set() and self.writer.state().database_up

    async def limit(self, key_id: str) -> float:
        """Seconds that a key has to wait; 0.0 where it may go on."""
        if self.settings.shared_limits:
            return await asyncio.to_thread(self.limiter.take, key_id)
        return self.limiter.take(key_id)

    async def explain(self, product: Product, answer: Answer) -> dict[str, Any]:
        """The evidence for an answer, from the model that gave it."""
        return plain_explanation(await self.engine.explain(product, answer))

    def _photo(self, product: Product, answer: Answer) -> bytes | None:
        """The photo's bytes, if they are to be kept and are a picture."""
        usable = self.settings.keep_content and answer.prediction.image_status == "ok"
        return product.image if usable and isinstance(product.image, bytes) else None

    def _record(
        self,
        prediction_id: str,
        product: Product,
        answer: Answer,
        image_sha256: str | None,
        key_id: str | None,
    ) -> PredictionRecord:
        found, info = answer.prediction, answer.model.info
        keep = self.settings.keep_content
        return PredictionRecord(
            prediction_id=prediction_id,
            created_at=datetime.now(UTC),
            designation=product.designation if keep else None,
            description=product.description if keep else None,
            image_sha256=image_sha256,
            prdtypecode=found.prdtypecode,
            label=found.label,
            confidence=found.confidence,
            decision=found.decision,
            alternatives=alternatives(answer),
            modalities=list(found.modalities),
            image_status=found.image_status,
            model_name=info.name,
            model_version=info.version,
            model_sha256=info.sha256,
            latency_ms=round(answer.seconds * 1000, 3),
            key_id=key_id,
            features=plain_features(found.features),
        )


async def service_of(request: Request) -> Service:
    """The service that a request came to (a plain function would be called in a thread)."""
    return cast(Service, request.app.state.service)


def _no_store(error: StoreError | StorageError) -> ServiceError:
    return ServiceError(
        503, f"The store cannot do that now: {error.message}", reason="store", headers=RETRY
    )
