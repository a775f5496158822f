#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small stand-in for the Hugging Face Hub, on this machine only.

usage: hub_server.py FOLDER LOG: prints its port, serves FOLDER as every repository until its standard input ends.
The organisation says what happens: cut (the first transfer ends early), die (the first four do), norange (no partial
answers), wrong (another digest), long (more bytes than announced), private (needs the token "secret"), moved (redirects),
evil (a module that reaches outside), h5 (no weights that lowbit reads); any other: as it should be.
LOG gets one line per request: path, range, authorization.
"""

import hashlib
import http.server
import json
import os
import sys
import threading

folder, log = sys.argv[1:3]
commit = "c" * 40
cuts = {}
lock = threading.Lock()


def read(path):
    with open(os.path.join(folder, path), "rb") as file:
        return file.read()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        with lock, open(log, "a") as out:
            out.write(f"{self.command} {self.path} {self.headers.get('Range')} {self.headers.get('Authorization')}\n")

    def answer(self, code, headers, body=b"", sent=None):
        self.send_response(code)
        headers.setdefault("Content-Length", str(len(body)))
        headers["X-Repo-Commit"] = commit
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body if sent is None else body[:sent])
        if sent is not None:
            self.close_connection = True

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts[0] == "cdn":
            return self.send_file(parts[1], "/".join(parts[2:]))
        api = parts[:2] == ["api", "models"]
        if api:
            parts = parts[2:]
        organisation, name = parts[:2]
        if organisation == "moved":
            return self.answer(307, {"Location": self.path.replace("moved/", "good/")})
        if organisation == "private" and self.headers.get("Authorization") != "Bearer secret":
            return self.answer(401, {}, b"Invalid username or password.")
        if name != "model":
            return self.answer(404, {}, b"Repository not found")
        if api:
            if parts[3] not in ("main", "refs%2Fpr%2F1", commit):
                return self.answer(404, {}, b"Revision not found")
            files = sorted(os.path.relpath(os.path.join(at, f), folder) for at, _, fs in os.walk(folder) for f in fs)
            if organisation == "h5":
                files = ["config.json", "tf_model.h5"]
            return self.answer(200, {}, json.dumps({"sha": commit, "siblings": [{"rfilename": f} for f in files]}).encode())
        path = "/".join(parts[4:])
        body = read(path)
        if organisation == "evil" and path == "modules.json":
            body = json.dumps([{"path": "../../x", "type": "a.Transformer"}]).encode()
        if not path.endswith((".safetensors", ".bin")):
            digest = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            return self.answer(200, {"ETag": f'"{digest}"'}, body)
        digest = hashlib.sha256(body).hexdigest()
        if organisation == "wrong":
            digest = hashlib.sha256(b"wrong").hexdigest()
        place = f"http://localhost:{self.server.server_port}/cdn/{organisation}/{path}"  # another host
        self.answer(302, {"Location": place, "X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(body))})

    do_HEAD = do_GET

    def send_file(self, organisation, path):
        body = read(path)
        code, headers = 200, {}
        start = self.headers.get("Range")
        if start and organisation != "norange":
            first = int(start.removeprefix("bytes=").removesuffix("-"))
            code, headers = 206, {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
            body = body[first:]
        if organisation == "long":
            body += b"more"
        with lock:
            cuts[organisation] = cuts.get(organisation, 0) + 1
            limit = {"cut": 1, "norange": 1, "die": 4}.get(organisation, 0)
            cut = cuts[organisation] <= limit
        self.answer(code, headers, body, len(body) // 2 if cut else None)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
