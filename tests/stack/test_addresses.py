"""Names and paths of containers become addresses and paths of this machine, and nothing else."""

import pytest

from rakuten.stack.addresses import Translation

HERE = Translation(
    others={("api", 8000): 28000, ("postgres", 5432): 25432, ("mlflow", 5000): 25000},
    own={5000: 25000, 5001: 25000},
    paths={"/etc/tool": "/here/tool", "/project": "/shop", "/project/.rakuten": "/shop/.rakuten"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://mlflow:5000/api", "http://127.0.0.1:25000/api"),
        (
            "postgresql://rakuten@postgres:5432/rakuten",
            "postgresql://rakuten@127.0.0.1:25432/rakuten",
        ),
        ("- targets: [api:8000]", "- targets: [127.0.0.1:28000]"),
        (
            "my-api:8000 api:80001 api.example.org:8000",
            "my-api:8000 api:80001 api.example.org:8000",
        ),
        ("localhost:5001,127.0.0.1:5000,mlflow:5000", "127.0.0.1:25000," * 2 + "127.0.0.1:25000"),
        ("--listen=0.0.0.0:5000", "--listen=127.0.0.1:25000"),
        ("127.0.0.1:50001", "127.0.0.1:50001"),
        ("--file=/etc/tool/tool.yml", "--file=/here/tool/tool.yml"),
        ("/project/.rakuten/spool:/project", "/shop/.rakuten/spool:/shop"),
        ("/etc/toolbox http://x/project", "/etc/toolbox http://x/project"),
    ],
)
def test_a_text_reads_as_it_has_to_here(text: str, expected: str) -> None:
    assert HERE.text(text) == expected


def test_an_address_or_a_port_may_stand_alone_on_a_command_line() -> None:
    anywhere = "0.0.0.0"  # noqa: S104 - nobody listens
    words = ["serve", "--host", anywhere, "--port", "5000", "--rows", "512"]
    assert [HERE.argument(word) for word in words] == [
        *("serve", "--host", "127.0.0.1", "--port", "25000", "--rows", "512")
    ]


def test_host_and_port_of_another_service_may_be_two_variables() -> None:
    values = {"PGHOST": "postgres", "PGPORT": "5432", "PGUSER": "postgres", "HTTP_PORT": "5000"}
    assert HERE.environment(values) == {
        **{"PGHOST": "127.0.0.1", "PGPORT": "25432", "PGUSER": "postgres", "HTTP_PORT": "25000"}
    }
