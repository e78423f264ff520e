"""YAML that is the same bytes for the same content, with long expressions as blocks."""

from pathlib import Path
from typing import Any, Final

import yaml

from rakuten.io import write_text

NOTICE: Final = "# Written by `{command}`. Change the code and write it again, not this file.\n"


class _Dumper(yaml.SafeDumper):
    """PyYAML's, with texts of several lines as blocks, indented lists and no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(value: Any, *, command: str) -> str:
    """A document that names the command which wrote it; keys keep their order."""
    body = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return NOTICE.format(command=command) + body


def write_yaml(path: Path, value: Any, *, command: str) -> None:
    """Write :func:`to_yaml` to a file, atomically.

    Raises:
        StorageError: the file system refused.
    """
    write_text(path, to_yaml(value, command=command))
