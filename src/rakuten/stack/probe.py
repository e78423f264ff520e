"""Whether something answers: ``python -m rakuten.stack.probe URL`` (or ``HOST:PORT``) ends with 0.

Health checks of the images and of the stack without containers call it; it imports nothing else.
"""

import socket
import sys
import urllib.request
from typing import Final

_SECONDS: Final = 4.0


def answers(place: str, seconds: float = _SECONDS) -> bool:
    """Whether a URL answers with success, or a port takes a connection; proxies are not asked."""
    try:
        if "://" in place:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(place, timeout=seconds).close()
        else:
            host, _, port = place.rpartition(":")
            socket.create_connection((host, int(port)), seconds).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if len(sys.argv) == 2 and answers(sys.argv[1]) else 1)
