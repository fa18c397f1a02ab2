"""The image's health check: exits 0 where tamis answers in this container, as a service or as a run.

`tamis serve` answers at 8080, `tamis run --metrics-port 9464` at 9464; what runs at other ports wants a check of its
own. Plain connections: a proxy in the environment is for calls to models.
"""

import http.client
import sys

PLACES = ((8080, "/healthz"), (9464, "/metrics"))


def answers(port: int, path: str) -> bool:
    """Tell whether something answers there that all is well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not any(answers(port, path) for port, path in PLACES))
