"""What Hugging Face answers to huggingface_hub, over HTTP on this machine: the tree of a commit, and its files.

GET  /api/models/<repo>/tree/<commit>          every file with its size, large ones with their sha256
HEAD /<repo>/resolve/<commit>/<path>           a file's etag and size; a large one's are those it is linked to
GET  /<repo>/resolve/<commit>/<path>           a file, a large one by a redirect to another host
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "somebody/a-model"


@dataclass
class Hub:
    """One repository at one commit, whose files are those of a folder; ``asked`` is what it was asked for.

    ``served`` replaces the bytes of a path that come, not what is listed of it. ``down`` answers 503 to everything,
    ``gated`` lets nobody in.
    """

    folder: Path
    served: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: bool = False
    gated: bool = False
    url: str = ""

    @property
    def elsewhere(self) -> str:
        """Where large files are: on a host of another name, as the real hub has them."""
        return self.url.replace("127.0.0.1", "localhost")

    def answer(self, method: str, address: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body."""
        path = unquote(urlsplit(address).path)
        self.asked.append(f"{method} {path}")
        tree, files, large = f"/api/models/{REPO}/tree/{COMMIT}", f"/{REPO}/resolve/{COMMIT}/", "/large/"
        if self.down:
            return 503, {}, b""
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        if path == tree:
            return 200, {"Content-Type": "application/json"}, json.dumps(self.tree()).encode()
        if path.startswith(files):
            return self.file(path.removeprefix(files))
        if path.startswith(large):
            return 200, {}, self.content(path.removeprefix(large))
        wrong = "RevisionNotFound" if f"/{REPO}/" in path else "RepoNotFound"
        return 404, {"X-Error-Code": wrong}, b""

    def tree(self) -> list[dict[str, object]]:
        """As the hub lists it: folders too, and of large files what is stored in their place."""
        listed: list[dict[str, object]] = [{"type": "directory", "path": "unet", "oid": "0" * 40, "size": 0}]
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                name, content = path.relative_to(self.folder).as_posix(), path.read_bytes()
                entry: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                if path.suffix == ".safetensors":
                    oid = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
                listed.append(entry)
        return listed

    def file(self, name: str) -> tuple[int, dict[str, str], bytes]:
        """A small file itself, a large one by where it is."""
        content = self.content(name)
        digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        about = {"X-Repo-Commit": COMMIT, "ETag": f'"{digest}"'}
        if not name.endswith(".safetensors"):
            return 200, about, content
        linked = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        return 302, {**about, **linked, "Location": f"{self.elsewhere}/large/{name}"}, b""

    def content(self, name: str) -> bytes:
        """What comes."""
        return self.served.get(name, (self.folder / name).read_bytes())


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """It answers under ``hub.url`` inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.command, self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  the standard library's name

        def log_message(self, *_: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
