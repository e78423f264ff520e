"""Settings of the webhook that Alertmanager calls; unsafe values are refused."""

from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rakuten.errors import ConfigurationError
from rakuten.settings import ENV_FILE

_LOOPBACK: Final = ("127.0.0.1", "localhost")
_LEAST_TOKEN: Final = 24


class WebhookSettings(BaseSettings):
    """How the webhook listens; each field is the variable ``RAKUTEN_WEBHOOK_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix="RAKUTEN_WEBHOOK_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(9110, ge=0, le=65_535)
    token: SecretStr | None = None
    token_file: Path | None = None
    """Read where ``token`` is not set."""
    minutes: float = Field(15, ge=0)
    """Least time between two checks that alerts start."""
    max_body_kib: int = Field(1024, ge=1)

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.token is None and self.token_file is None and self.host not in _LOOPBACK:
            raise PydanticCustomError(
                "open", "without a token the webhook listens on loopback only (127.0.0.1)"
            )
        return self

    def read_token(self) -> bytes | None:
        """The token that starts checks; None where none is set.

        Raises:
            ConfigurationError: the file cannot be read, or the token is too short.
        """
        if self.token is not None:
            token, origin = self.token.get_secret_value(), "RAKUTEN_WEBHOOK_TOKEN"
        elif self.token_file is not None:
            origin = f"the file of RAKUTEN_WEBHOOK_TOKEN_FILE, {self.token_file}"
            try:
                token = self.token_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(
                    f"{origin}, cannot be read ({type(error).__name__}).",
                    hint="write one: python -c 'import secrets; print(secrets.token_urlsafe())'",
                ) from error
        else:
            return None
        if len(token) < _LEAST_TOKEN:
            raise ConfigurationError(
                f"{origin}: a token has at least {_LEAST_TOKEN} characters.",
                hint="make one: python -c 'import secrets; print(secrets.token_urlsafe())'",
            )
        return token.encode()


def load_webhook_settings(**given: Any) -> WebhookSettings:
    """Read the environment; values given here go before it, None stands for not given.

    Raises:
        ConfigurationError: a value cannot be used, or is not safe.
    """
    try:
        return WebhookSettings(**{n: value for n, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(["RAKUTEN_WEBHOOK", *(str(part).upper() for part in first["loc"])])
        raise ConfigurationError(
            f"{name}: {first['msg']}.",
            hint=f"correct it in {ENV_FILE} or in the shell; docs/alerts.md explains it",
        ) from error
