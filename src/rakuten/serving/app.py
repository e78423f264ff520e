"""The application: parts put together, started and stopped in order."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp

from rakuten import __version__
from rakuten.errors import StoreError
from rakuten.logs import get_logger
from rakuten.metrics.service import Meter, ServiceMetrics
from rakuten.serving import problems
from rakuten.serving.documents import finish_document
from rakuten.serving.engine import LANES, Engine
from rakuten.serving.frame import Frame
from rakuten.serving.live_model import LiveModel, LiveOptions
from rakuten.serving.routes import about, health, predict, predictions, review
from rakuten.serving.service import Service
from rakuten.serving.settings import ServingSettings
from rakuten.serving.shortcut import Shortcut
from rakuten.serving.state import ServiceState
from rakuten.serving.tracing import telemetry
from rakuten.serving.webhook import WebhookVerifier
from rakuten.settings import Settings
from rakuten.store.database import Database
from rakuten.store.keys import KeyRing
from rakuten.store.limits import MemoryLimiter, SharedLimiter
from rakuten.store.media import open_media
from rakuten.store.retention import expire
from rakuten.store.spool import Spool
from rakuten.store.writer import Writer

log = get_logger(__name__)

_MIB: Final = 2**20
_FLUSH_SECONDS: Final = 20.0
_MIGRATE_PAUSE: Final = 2.0
_FORGET_PAUSE: Final = 3600.0
_SWITCH_SECONDS: Final = 0.0002
"""How long a thread may keep the interpreter from others: inference must not hold up answers."""


class _Application(FastAPI):
    """FastAPI inside of what surrounds every request, its own answers to errors included."""

    def build_middleware_stack(self) -> ASGIApp:
        """Shortcut and frame around Starlette's own stack."""
        service: Service = self.state.service
        handlers = {"/v1/predict": predict.make_short_way(service)}
        short = Shortcut(super().build_middleware_stack(), handlers=handlers)
        most = int(service.settings.max_body_mib * _MIB)
        traced = service.settings.tracing == "on"
        return Frame(short, meter=service.meter, max_body=most, traced=traced)


def create_app(settings: Settings, serving: ServingSettings, root: Path) -> FastAPI:
    """Make the application; nothing runs before it starts.

    Raises:
        ConfigurationError: a setting names a place that cannot be used.
        MissingExtraError: traces are asked for, and what sends them is not installed.
    """
    service = make_service(settings, serving, root)
    app = _Application(
        title="Product classification",
        version=__version__,
        summary="Product types for listings, with calibrated confidence.",
        lifespan=_lifespan(service),
        redirect_slashes=False,  # a redirect would go to whatever host the client names
        telemetry=telemetry(serving.tracing),
    )
    app.state.service = service
    problems.add_handlers(app)
    for routes in (predict, predictions, review, about, health):
        app.include_router(routes.router)
        paths = {str(getattr(route, "path", "")) for route in routes.router.routes}
        service.meter.expect_routes(path for path in sorted(paths) if path.startswith("/v1/"))
    app.include_router(about.hooks)
    finish_document(app)
    return app


def make_service(settings: Settings, serving: ServingSettings, root: Path) -> Service:
    """The parts of a service, none of them started."""
    database = Database(settings.store_url(root))
    spool = Spool(root / serving.spool, int(serving.spool_mib * _MIB))
    rate, burst = serving.rate_per_second, serving.rate_burst
    live = LiveModel(
        settings,
        root,
        LiveOptions(poll_seconds=serving.poll_seconds, cache=root / serving.models),
    )
    secret = serving.webhook_secret
    media = serving.media if serving.media.startswith("s3://") else str(root / serving.media)
    meter = ServiceMetrics(LANES, problems.REASONS) if serving.metrics == "on" else Meter()
    service = Service(
        settings=serving,
        live=live,
        engine=Engine(
            lambda: live.current,
            max_waiting=serving.max_waiting,
            seconds=serving.timeout_seconds,
            meter=meter,
        ),
        meter=meter,
        database=database,
        spool=spool,
        writer=Writer(database, spool),
        media=open_media(media),
        keys=KeyRing(database, copy=root / ".rakuten" / "keys.json"),
        limiter=SharedLimiter(database, rate, burst)
        if serving.shared_limits
        else MemoryLimiter(rate, burst),
        webhooks=WebhookVerifier([secret.get_secret_value()]) if secret else None,
    )
    if meter.registry is not None:
        meter.registry.register(ServiceState(service))
    return service


def _lifespan(service: Service) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(_SWITCH_SECONDS)
        service.live.start()
        service.writer.start()
        waiting = None
        if not await asyncio.to_thread(_prepare_store, service):
            waiting = asyncio.create_task(_wait_for_store(service))
        await asyncio.to_thread(service.keys.start)
        forgetting = asyncio.create_task(_forget_old(service))
        try:
            yield
        finally:
            for task in filter(None, (waiting, forgetting)):
                task.cancel()
            await service.engine.drain()
            await asyncio.to_thread(_stop, service)

    return run


async def _wait_for_store(service: Service) -> None:
    """Until the database is there, answers go to the spool."""
    while True:
        await asyncio.sleep(_MIGRATE_PAUSE)
        if await asyncio.to_thread(_prepare_store, service):
            return  # the keys are looked at again and again by themselves


async def _forget_old(service: Service) -> None:
    """Every hour, remove the content of answers whose time is over."""
    while True:
        before = datetime.now(UTC) - timedelta(days=service.settings.retention_days)
        forget = partial(expire, service.database, before, media=service.media, spool=service.spool)
        try:
            count = await asyncio.to_thread(forget)
        except StoreError as error:
            log.warning("old content could not be removed: %s", error.message)
        else:
            if count:
                log.info("the content of %d old answers is removed", count)
        await asyncio.sleep(_FORGET_PAUSE)


def _prepare_store(service: Service) -> bool:
    """Bring the tables up to date; false where the database is away."""
    try:
        service.database.migrate()
    except StoreError as error:
        log.warning("the prediction store is not ready: %s", error.message)
        return False
    service.tables.set()
    return True


def _stop(service: Service) -> None:
    """Flush, then let go."""
    service.live.stop()
    service.keys.stop()
    if not service.writer.stop(_FLUSH_SECONDS):
        log.error("some records were not on disk when the service was stopped")
    service.database.close()
