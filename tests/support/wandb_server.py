"""As much of W&B's server as online runs need: it keeps what they send, tells a resumed one what it has, or answers
all oddly. By GraphQL come a run's name, tags and config, by its file stream its history, its summary and its end; a
network's files are put where the server says."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"name": "p", "entity": {"name": "e"}}
SEQUENCE = {"id": "s", "latestArtifact": None}
UPLOAD = "/upload/"
STREAM = re.compile(r"/files/[^/]+/[^/]+/([^/]+)/file_stream")
Json = dict[str, Any]


@dataclass
class Run:
    asked: Json = field(default_factory=dict)  # of the first upsertBucket: displayName, groupName, jobType, notes, tags
    config: Json = field(default_factory=dict)
    history: list[Json] = field(default_factory=list)
    summary: Json = field(default_factory=dict)
    exit_code: int | None = None
    preempting: bool = False  # said so once
    begun: int = 0  # times that it was opened

    def take(self, body: Json) -> None:
        """A piece of the file stream: lines from an offset on; of the summary the last line stands."""
        lines = {name: piece for name, piece in body.get("files", {}).items() if piece}
        if history := lines.get("wandb-history.jsonl"):
            self.history[history["offset"] :] = [json.loads(line) for line in history["content"]]
        if summary := lines.get("wandb-summary.json"):
            self.summary = json.loads(summary["content"][-1])
        self.preempting |= bool(body.get("preempting"))
        if body.get("complete"):
            self.exit_code = body.get("exitcode")

    def resumed(self) -> Json:
        """What a run that is opened again is told."""
        return {
            **dict.fromkeys(("eventsLineCount", "logLineCount"), 0),
            "historyLineCount": len(self.history),
            "historyTail": json.dumps([json.dumps(line) for line in self.history[-1:]]),
            "eventsTail": "[]",
            "summaryMetrics": json.dumps(self.summary),
            "config": json.dumps(self.config),
            "wandbConfig": '{"t": 1}',
            "tags": self.asked.get("tags"),
        }


class Server(ThreadingHTTPServer):
    """`odd`: status and body of every answer; `delay`: seconds that each upload takes."""

    daemon_threads = True

    def __init__(self, odd: tuple[int, str] | None, delay: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.odd, self.delay, self.asked, self.runs = odd, delay, list[str](), dict[str, Run]()
        self.uploaded, self.committed = dict[str, int](), list[str]()  # bytes of each file; artifacts that are whole

    @property
    def environment(self) -> dict[str, str]:
        return {"WANDB_BASE_URL": f"http://127.0.0.1:{self.server_port}", "WANDB_API_KEY": "0" * 40}

    def answer(self, path: str, body: str) -> Json:
        if path.startswith(UPLOAD):
            time.sleep(self.delay)
            return {}
        if stream := STREAM.search(path):
            self.runs.setdefault(stream[1], Run()).take(json.loads(body))
            return {"exitcode": None, "limits": {}}
        asked = json.loads(body) if body.startswith("{") else {}
        return {"data": self.graphql(str(asked.get("query")), asked.get("variables") or {})}

    def graphql(self, query: str, values: Json) -> Json:
        name = values.get("name") if isinstance(values.get("name"), str) else values.get("run")
        kept = self.runs.get(str(name))
        if "mutation UpsertBucket" in query:
            kept = self.runs.setdefault(str(name), Run())
            kept.begun += 1
            kept.asked = kept.asked or values
            kept.config = json.loads(values.get("config") or "{}") or kept.config
        artifact_type = (values.get("input") or {}).get("artifactTypeName")
        if "mutation CommitArtifact" in query:
            self.committed.append(values["artifactID"])
        bucket = {"id": "aa", "name": name, "displayName": name, "project": PROJECT, "historyLineCount": 0}
        return {
            "viewer": {"id": "v", "entity": "e", "username": "e", "flags": "{}", "teams": {"edges": []}},
            "model": {"bucket": kept.resumed() if kept and kept.begun else None, "name": "p"},
            "upsertBucket": {"bucket": bucket, "inserted": kept is None or kept.begun < 2},
            "project": {"artifact": None},
            "createArtifact": {"artifact": self.artifact(artifact_type)},
            "createArtifactManifest": {"artifactManifest": {"id": "m", "file": self.file("manifest")}},
            "createArtifactFiles": {"files": {"edges": self.files(values)}},
            "commitArtifact": {"artifact": {"id": values.get("artifactID"), "digest": "d"}},
            "createRunFiles": {"runID": "aa", "uploadHeaders": [], "files": []},
            "serverInfo": {"cliVersionInfo": {"max_cli_version": "0.31.0"}, "latestLocalVersionInfo": None},
        }

    def artifact(self, kind: str | None) -> Json:
        """A table of figures is one that the server has, and nothing is uploaded."""
        return {"id": kind, "state": "PENDING" if kind == "model" else "COMMITTED", "artifactSequence": SEQUENCE}

    def files(self, values: Json) -> list[Json]:
        asked = (values.get("input") or {}).get("artifactFiles", [])
        return [{"node": self.file(each["name"])} for each in asked]

    def file(self, name: str) -> Json:
        url = f"{self.environment['WANDB_BASE_URL']}{UPLOAD}{name}"
        return dict.fromkeys(("id", "name", "displayName", "storagePath"), name) | {
            "uploadUrl": url,
            "uploadHeaders": [],
            "artifact": {"id": "model"},
        }


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = sent.decode(errors="replace")
        if self.path.startswith(UPLOAD):
            self.server.uploaded[self.path.removeprefix(UPLOAD)] = len(sent)
        self.server.asked.append(body)
        status, answer = self.server.odd or (200, json.dumps(self.server.answer(self.path, body)))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def server(odd: tuple[int, str] | None = None, delay: float = 0) -> Iterator[Server]:
    with Server(odd, delay) as opened:
        threading.Thread(target=opened.serve_forever, daemon=True).start()
        yield opened
        opened.shutdown()
