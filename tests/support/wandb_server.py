"""As much of W&B's server as an online run needs; or one that answers everything oddly."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"name": "p", "entity": {"name": "e"}}
BUCKET = {"id": "aa", "name": "run", "displayName": "run", "project": PROJECT, "historyLineCount": 0}
DATA: dict[str, Any] = {
    "viewer": {"id": "v", "entity": "e", "username": "e", "flags": "{}", "teams": {"edges": []}},
    "model": {"bucket": None, "name": "p"},
    "upsertBucket": {"bucket": BUCKET, "inserted": True},
    "createRunFiles": {"runID": "aa", "uploadHeaders": [], "files": []},
    "serverInfo": {"cliVersionInfo": {"max_cli_version": "0.31.0"}, "latestLocalVersionInfo": None},
}


@contextmanager
def server(odd: tuple[int, str] | None = None) -> Iterator[tuple[dict[str, str], list[str]]]:
    """The environment that leads to it, and what was asked so far. `odd`: status and body of every answer."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace"))
            status, body = odd or (200, json.dumps({"data": DATA}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield {"WANDB_BASE_URL": f"http://127.0.0.1:{found.server_port}", "WANDB_API_KEY": "0" * 40}, asked
        found.shutdown()
