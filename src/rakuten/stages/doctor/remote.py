"""Checks of the places that DVC pushes to and pulls from, other than S3."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from rakuten.settings import without_password
from rakuten.stages.doctor.check import ANSWER_SECONDS, CONNECT_SECONDS, Check, Subject
from rakuten.stages.doctor.dvc import chosen_remotes

_PROBE: Final = hashlib.md5(b"", usedforsecurity=False).hexdigest()
"""DVC's name of the empty file: an object as good as any to ask for."""


def remote_checks(subject: Subject) -> Iterator[Check]:
    """Ask each HTTP remote of DVC as a push would; those in S3 are another check's."""
    remotes = chosen_remotes(subject.paths.root)
    if not remotes:
        yield Check("remote", "skipped", "DVC has no remote; docs/remotes.md shows how to add one")
    for name, remote in remotes.items():
        scheme = urlsplit(remote["url"]).scheme
        if scheme in ("http", "https"):
            yield _ask_remote(name, remote)
        elif scheme != "s3":
            yield Check("remote", "skipped", f"DVC remote {name} is of a kind that is not asked")


def _ask_remote(name: str, remote: Mapping[str, Any]) -> Check:
    place = f"DVC remote {name}: {without_password(remote['url'])}"
    kind, user, password = (remote.get(key) for key in ("auth", "user", "password"))
    local = f"dvc remote modify --local {name}"
    if kind == "basic" and (not user or not (password or remote.get("ask_password"))):
        missing = "password" if user else "user"
        hint = f"{local} {missing} …   (into .dvc/config.local, which git ignores)"
        return Check("remote", "failed", f"{place} has auth basic, but no {missing}", hint)
    if kind and not password:
        return Check("remote", "skipped", f"{place} asks for its password at each push")
    status, reason = _answer(remote)
    if status in (401, 403):
        known = "refuses user and password" if kind else "asks for credentials"
        hint = f"{local} password …" if kind else f"{local} auth basic, then user and password"
        return Check("remote", "failed", f"{place} {known} ({status})", hint)
    modify = f"dvc remote modify {name} url …"
    if reason:
        hint = f"start it, or correct its address: {modify}"
        return Check("remote", "failed", f"{place} {reason}", hint)
    if status in range(300, 400):
        return Check("remote", "failed", f"{place} sends elsewhere ({status})", modify)
    if status not in (200, 404):
        hint = "its log, or the status page of who runs it, says why"
        return Check("remote", "failed", f"{place} answers with error {status}", hint)
    if status == 404 and _answer(remote, place=True)[0] == 404:
        detail = f"{place} is not there (404), unless nothing was pushed yet"
        return Check("remote", "warning", detail, f"if the address is wrong: {modify}")
    if not kind:
        return Check("remote", "ok", f"{place} answers without credentials; a push may need some")
    return Check("remote", "ok", f"{place} answers, with credentials of its configuration")


def _answer(remote: Mapping[str, Any], *, place: bool = False) -> tuple[int, str]:
    """Status of an object, or of the ``place`` of all; 0 and the reason where none came."""
    import requests

    url = str(remote["url"]).rstrip("/")
    kind, password = remote.get("auth"), str(remote.get("password", ""))
    header = remote.get("custom_auth_header")
    try:
        answer = requests.head(
            url if place else f"{url}/files/md5/{_PROBE[:2]}/{_PROBE[2:]}",
            auth=(str(remote.get("user")), password) if kind == "basic" else None,
            headers={str(header): password} if kind == "custom" and header else {},
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            verify=remote.get("ssl_verify", True),
        )
    except requests.Timeout:
        return 0, "did not answer in time"
    except requests.exceptions.SSLError:
        return 0, "has a certificate that is not trusted"
    except (requests.RequestException, ValueError) as error:
        refused = "refused" in str(error)
        return 0, "refuses connections" if refused else "cannot be reached"
    return answer.status_code, ""
