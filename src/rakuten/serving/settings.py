"""Settings of the service, from the environment and ``.env``; unsafe values are refused."""

from typing import Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rakuten.errors import ConfigurationError
from rakuten.settings import ENV_FILE

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_LEAST_SECRET: Final = 24


class ServingSettings(BaseSettings):
    """How the service runs; each field is the variable ``RAKUTEN_SERVE_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix="RAKUTEN_SERVE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    keyless: bool = False
    """Answer without API keys; on loopback only."""
    max_body_mib: float = Field(64, gt=0)
    max_waiting: int = Field(512, ge=1)
    timeout_seconds: float = Field(10, gt=0)
    rate_per_second: float = Field(100, gt=0)
    rate_burst: int = Field(200, ge=1)
    shared_limits: bool = False
    """Count requests in the database, for several processes."""
    store: Literal["on", "off"] = "on"
    """off: answers are not remembered (for measurements)."""
    keep_content: bool = True
    retention_days: int = Field(365, ge=1)
    media: str = ".rakuten/media"
    """Where photos go: a folder, or s3://bucket/prefix."""
    spool: str = ".rakuten/spool"
    spool_mib: float = Field(1024, gt=0)
    metrics: Literal["on", "off"] = "on"
    """off: nothing is counted, and /metrics is not there."""
    tracing: Literal["on", "off"] = "off"
    """on: a span for each request goes to OTEL_EXPORTER_OTLP_ENDPOINT."""
    models: str = ".rakuten/models"
    poll_seconds: float = Field(15, gt=0)
    webhook_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.keyless and self.host not in LOOPBACK:
            raise PydanticCustomError(
                "keyless", "without keys the service listens on loopback only (127.0.0.1)"
            )
        secret = self.webhook_secret
        if secret is not None and len(secret.get_secret_value()) < _LEAST_SECRET:
            raise PydanticCustomError(
                "webhook_secret", f"a secret has at least {_LEAST_SECRET} characters"
            )
        return self


def load_serving_settings(**given: Any) -> ServingSettings:
    """Read the environment; values given here go before it, None stands for not given.

    Raises:
        ConfigurationError: a value cannot be used, or is not safe.
    """
    try:
        return ServingSettings(**{n: value for n, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(["RAKUTEN_SERVE", *(str(part).upper() for part in first["loc"])])
        raise ConfigurationError(
            f"{name}: {first['msg']}.",
            hint=f"correct it in {ENV_FILE} or in the shell; docs/serving.md explains it",
        ) from error
