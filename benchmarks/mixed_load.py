"""Mixed load for the service that reads every answer and writes down what was acknowledged."""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import httpx
import uvloop
from ledger import Ledger, Material
from serving_shop import Contender
from visitor import Check, Visitor


class MixedLoad:
    """Visitors that ask one thing after another until the block ends.

    Args:
        contender: the service; its key must have the scope admin.
        material: see :func:`ledger.read_material`.
        mix: kinds of requests (methods of :class:`visitor.Visitor`) with their weights.
        visitors: requests under way at once.
        rate: requests a second of all visitors together; None: as many as there are answers.
        check: looks at every answer to a single text.
    """

    def __init__(
        self,
        contender: Contender,
        material: Material,
        mix: Mapping[str, float],
        *,
        visitors: int = 16,
        rate: float | None = None,
        check: Check | None = None,
    ) -> None:
        self._material, self._mix, self._check = material, mix, check
        self._pause = visitors / rate if rate else 0.0
        self.ledger = Ledger()
        self._done = threading.Event()
        self._contender, self._visitors = contender, visitors
        self._pool = ThreadPoolExecutor(1, "load")
        self._running: Future[None]

    def __enter__(self) -> Self:
        self._running = self._pool.submit(lambda: uvloop.run(self._run()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._pool.shutdown()
        self._running.result()

    async def _run(self) -> None:
        async with httpx.AsyncClient(
            base_url=self._contender.base,
            headers={"authorization": f"Bearer {self._contender.key}"},
            timeout=30,
            # The server ends what is idle for 5 s: let go before, and never meet in the middle.
            limits=httpx.Limits(keepalive_expiry=2),
            verify=False,  # noqa: S501 - plain HTTP on loopback
            trust_env=False,
        ) as client:
            made = [
                Visitor(number, client, self._material, self.ledger, self._check)
                for number in range(self._visitors)
            ]
            await asyncio.gather(
                *(one.run(self._mix, self._pause, self._done.is_set) for one in made)
            )
