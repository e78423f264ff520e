"""One client of the service under mixed load: asks, waits, checks the answer, asks again."""

import asyncio
import base64
import hashlib
import json
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from typing import Any

import httpx
from ledger import Asked, Ledger, Material

RECENT = 300
_RETRY_SECONDS = 0.2
_NO_PICTURE = base64.b64encode(b"no picture").decode()
_BAD: tuple[tuple[int, str, bytes], ...] = (
    (422, "application/json", b"{"),
    (422, "application/json", b'{"designation": 7}'),
    (422, "application/json", b'{"designation": " "}'),
    (422, "application/json", json.dumps({"image": _NO_PICTURE}).encode()),
    (422, "application/json", b'{"designation": "x", "image": "***"}'),
    (415, "text/plain", b"Console"),
)
Check = Callable[[int, Mapping[str, Any]], str | None]
"""Looks at the answer for the product of a number; says what is wrong with it."""


class Visitor:
    """One client: asks, waits, checks the answer, asks again."""

    def __init__(
        self,
        number: int,
        client: httpx.AsyncClient,
        material: Material,
        ledger: Ledger,
        check: Check | None,
    ) -> None:
        self._name, self._client, self._ledger = f"visitor {number}", client, ledger
        self._check = check
        self._random = random.Random(number)  # noqa: S311 - the same turn every time
        self._ids: list[str] = []
        ledger.ids.append(self._ids)
        self._recent: deque[tuple[str, dict[str, Any], str]] = deque(maxlen=RECENT)
        texts, photos = material.texts, material.photos
        self._texts = islice(cycle(enumerate(texts)), 37 * number % len(texts), None)
        self._photos = islice(cycle(photos), number % len(photos), None) if photos else None

    async def run(
        self, mix: Mapping[str, float], pause: float, is_done: Callable[[], bool]
    ) -> None:
        """Ask until told to stop, with as many seconds between two questions."""
        kinds, weights = list(mix), list(mix.values())
        due = time.monotonic() + self._random.random() * pause
        while not is_done():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + pause, time.monotonic() - 1)
            kind = self._random.choices(kinds, weights)[0]
            try:
                await getattr(self, kind)()
            except (KeyError, IndexError, TypeError, ValueError) as error:
                self._ledger.wrong.append(f"{kind}: the answer has another form: {error!r}")

    async def text(self) -> None:
        """A title with its description."""
        number, body = self._product()
        answer = await self._ask("text", 200, "POST", "/v1/predict", json=body)
        if answer is not None:
            found = answer.json()
            self._require(found["modalities"] == ["text"], f"text: {found['modalities']}")
            wrong = self._check(number, found) if self._check else None
            self._require(wrong is None, f"text: {wrong}")
            self._keep(found, "")

    async def photo(self) -> None:
        """The same with a photo."""
        _, body = self._product()
        image, sha256 = self._picture()
        body["image"] = image
        answer = await self._ask("photo", 200, "POST", "/v1/predict", json=body)
        if answer is not None:
            found = answer.json()
            self._require("image" in found["modalities"], f"photo: {found['modalities']}")
            self._keep(found, sha256)

    async def batch(self) -> None:
        """Products of which two are no good."""
        items: list[Any] = [self._product()[1] for _ in range(self._random.randint(2, 12))]
        items.insert(1, {"designation": 7})
        items.append({"designation": "x", "image": _NO_PICTURE})
        answer = await self._ask("batch", 200, "POST", "/v1/predict/batch", json={"items": items})
        if answer is not None:
            found = answer.json()["items"]
            statuses = [item.get("status", 200) for item in found]
            expected = [200, 422, *[200] * (len(items) - 3), 422]
            self._require(statuses == expected, f"batch: {statuses}")
            for item in found:
                if "prediction_id" in item:
                    self._keep(item, "")

    async def bad(self) -> None:
        """What cannot be answered."""
        status, media_type, content = self._random.choice(_BAD)
        headers = {"content-type": media_type}
        await self._ask("bad", status, "POST", "/v1/predict", content=content, headers=headers)
        await self._ask("bad", 401, "GET", "/v1/review", headers={"authorization": "Bearer x"})

    async def feedback(self) -> None:
        """What an earlier answer should have been; once for each."""
        found = self._earlier()
        if found is None or found[0] in self._ledger.feedback:
            return
        code = found[1]["alternatives"][-1]["prdtypecode"]
        body = {"prdtypecode": code, "reviewer": self._name}
        path = f"/v1/predictions/{found[0]}/feedback"
        answer = await self._ask("feedback", 200, "PUT", path, json=body)
        if answer is not None:
            self._require(answer.json()["prdtypecode"] == code, "feedback: another type")
            self._ledger.feedback[found[0]] = code

    async def read(self) -> None:
        """An earlier answer, and its photo."""
        found = self._earlier()
        if found is None:
            return
        path = f"/v1/predictions/{found[0]}"
        answer = await self._ask("read", 200, "GET", path)
        if answer is not None:
            same = answer.json()["confidence"] == found[1]["confidence"]
            self._require(same, f"read: {found[0]} is another answer")
        if found[2]:
            photo = await self._ask("image", 200, "GET", f"{path}/image")
            same = photo is None or hashlib.sha256(photo.content).hexdigest() == found[2]
            self._require(same, f"image: {found[0]} has another photo")

    async def review(self) -> None:
        """Two pages of the review queue."""
        cursor: str | None = ""
        seen: list[float] = []
        for _ in range(2):
            params = {"limit": 20} | ({"cursor": cursor} if cursor else {})
            answer = await self._ask("review", 200, "GET", "/v1/review", params=params)
            if answer is None or cursor is None:
                return
            page = answer.json()
            seen += [item["confidence"] for item in page["items"]]
            cursor = page["next_cursor"]
            self._require(seen == sorted(seen), "review: not the least sure first")
            if cursor is None:
                return

    async def claim(self) -> None:
        """Products for a reviewer; nobody gets one that another has."""
        body = {"reviewer": self._name, "count": 3, "seconds": 86_400}
        answer = await self._ask("claim", 200, "POST", "/v1/review/claims", json=body)
        if answer is not None:
            got = {item["prediction_id"] for item in answer.json()["items"]}
            self._require(not got & self._ledger.claimed, "claim: a product was given twice")
            self._ledger.claimed |= got

    async def erase(self) -> None:
        """An earlier answer, which then has no content."""
        found = self._earlier()
        if found is None:
            return
        self._recent.remove(found)
        path = f"/v1/predictions/{found[0]}"
        if await self._ask("erase", 204, "DELETE", path) is None:
            return
        self._ledger.photos.pop(found[0], None)
        answer = await self._ask("read", 200, "GET", path)
        if answer is not None:
            left = answer.json()["designation"], answer.json()["has_image"]
            self._require(left == (None, False), f"erase: {found[0]} still has {left}")

    async def _ask(
        self, kind: str, status: int, method: str, path: str, **options: Any
    ) -> httpx.Response | None:
        """The answer, if it has the status that it should have."""
        begun = time.monotonic()
        try:
            answer = await self._client.request(method, path, **options)
        except httpx.TransportError:
            self._note(kind, begun, "silent")
            await asyncio.sleep(_RETRY_SECONDS)
            return None
        if answer.status_code == status:
            self._note(kind, begun, "right")
            return answer
        if answer.status_code == 503 and _is_refusal(answer):
            self._note(kind, begun, "refused")
            return None
        self._note(kind, begun, "wrong")
        self._ledger.wrong.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
        return None

    def _note(self, kind: str, begun: float, outcome: str) -> None:
        self._ledger.asked.append(Asked(kind, begun, time.monotonic(), outcome))

    def _require(self, fulfilled: bool, what: str) -> None:
        if not fulfilled:
            self._ledger.wrong.append(what)

    def _keep(self, found: dict[str, Any], photo: str) -> None:
        self._ids.append(found["prediction_id"])
        self._recent.append((found["prediction_id"], found, photo))
        if photo:
            self._ledger.photos[found["prediction_id"]] = photo

    def _earlier(self) -> tuple[str, dict[str, Any], str] | None:
        return self._random.choice(self._recent) if self._recent else None

    def _product(self) -> tuple[int, dict[str, Any]]:
        number, (title, description) = next(self._texts)
        return number, {"designation": title, "description": description}

    def _picture(self) -> tuple[str, str]:
        if self._photos is None:
            raise ValueError("the catalogue has no photos")
        return next(self._photos)


def _is_refusal(answer: httpx.Response) -> bool:
    """A problem that says when to come again."""
    kind = answer.headers.get("content-type", "")
    return kind == "application/problem+json" and "retry-after" in answer.headers
