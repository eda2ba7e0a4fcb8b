"""A stand-in for the Hugging Face hub: repositories of data sets in memory, spoken to over HTTP as the real one is."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

LFS = (".mp4", ".parquet", ".tar")
"""What goes into large-file storage."""


class Hub:
    """What it holds."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.address = ""
        self.files: dict[str, bytes] = {".gitattributes": b"*.mp4 filter=lfs"}
        """Of the one repository, at the head of its branch."""
        self.stored: dict[str, bytes] = {}
        """Large files by SHA-256, whether or not a commit names them."""
        self.tags: dict[str, dict[str, bytes]] = {}
        self.commits: list[str] = []
        self.uploads = 0
        self.refuses = False

    @property
    def head(self) -> str:
        """Name the last commit."""
        return hashlib.sha1(json.dumps(self.commits).encode(), usedforsecurity=False).hexdigest()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status and what goes back as JSON."""
        if self.refuses:
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            return 200, {"url": f"{self.address}/datasets/someone/small"}
        if path.startswith("/store/"):
            digest = path.removeprefix("/store/")
            assert hashlib.sha256(body).hexdigest() == digest
            self.stored[digest] = body
            self.uploads += 1
            return 200, {}
        if path.startswith("/datasets/someone/small.git/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._action(each) for each in json.loads(body)["objects"]]}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        what = path.removeprefix("/api/datasets/someone/small").split("?")[0]
        if what == "/refs":
            tags = [{"name": name, "ref": f"refs/tags/{name}", "targetCommit": "0" * 40} for name in self.tags]
            return 200, {"branches": [], "converts": [], "tags": tags}
        if what.startswith("/tree/main"):
            return 200, [self._entry(name, content) for name, content in sorted(self.files.items())]
        if what == "/preupload/main":
            names = [each["path"] for each in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "lfs" if name.endswith(LFS) else "regular"} for name in names]
            return 200, {"files": [mode | {"shouldIgnore": False} for mode in modes]}
        if what == "/commit/main":
            self._commit([json.loads(line) for line in body.splitlines()])
            url = f"{self.address}/datasets/someone/small/commit/{self.head}"
            return 200, {"commitUrl": url, "commitOid": self.head}
        if what == f"/tag/{self.head}":
            self.tags[json.loads(body)["tag"]] = dict(self.files)
            return 200, {}
        return 404, {"error": f"{method} {path}"}

    def _action(self, each: dict[str, Any]) -> dict[str, Any]:
        if each["oid"] in self.stored:
            return each
        return each | {"actions": {"upload": {"href": f"{self.address}/store/{each['oid']}"}}}

    def _entry(self, name: str, content: bytes) -> dict[str, Any]:
        git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": git}
        if name.endswith(LFS):
            digest = hashlib.sha256(content).hexdigest()
            entry |= {"oid": "f" * 40, "lfs": {"oid": digest, "size": len(content), "pointerSize": 130}}
        return entry

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]


@contextmanager
def standing_in() -> Iterator[Hub]:
    """Serve a hub on this machine, to which huggingface_hub goes while the block runs."""
    hub = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self._body()
            status, content = hub.answer(self.command, self.path, body)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, pytest.MonkeyPatch.context() as patch:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        patch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        patch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)
        patch.setenv("HF_TOKEN", "hf_of_nobody")
        yield hub
        server.shutdown()
        thread.join()
