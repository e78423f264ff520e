"""A message of Alertmanager (webhook format, version 4), and how it is told to people."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rakuten.errors import WebhookError

_MOST_TOLD: Final = 20


class Alert(BaseModel):
    """One alert of a message."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name, as the rule has it."""
        return self.labels.get("alertname", "an alert without a name")

    def sentence(self) -> str:
        """One line: what, since when it is over or not, and where to read on."""
        severity = self.labels.get("severity", "no severity")
        parts = [f"{self.status} ({severity}) {self.name}"]
        where = self.labels.get("instance")
        if where:
            parts[0] += f" on {where}"
        wanted = ("summary", "description", "runbook_url")
        said = [self.annotations[key].rstrip(".") for key in wanted if self.annotations.get(key)]
        return ". ".join([": ".join([*parts, *said[:1]]), *said[1:]])


class Message(BaseModel):
    """What Alertmanager says of one group of alerts."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    status: Literal["firing", "resolved"]
    receiver: str = ""
    truncated: int = Field(0, alias="truncatedAlerts", ge=0)
    alerts: list[Alert] = Field(min_length=1)

    @property
    def firing(self) -> list[Alert]:
        """Those that are not over."""
        return [alert for alert in self.alerts if alert.status == "firing"]

    def text(self) -> str:
        """All of it for people: a line an alert, the first twenty."""
        lines = [alert.sentence() for alert in self.alerts[:_MOST_TOLD]]
        left = len(self.alerts) - len(lines) + self.truncated
        return "\n".join([*lines, *([f"and {left} more"] if left else [])])


def read_message(body: bytes) -> Message:
    """A message from the body of a request.

    Raises:
        WebhookError: it is no such message.
    """
    try:
        return Message.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise WebhookError(
            f"This is no message of Alertmanager: {where}: {first['msg']}."
        ) from error
