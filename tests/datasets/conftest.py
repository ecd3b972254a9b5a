"""A file server on this machine, and small stand-ins for the sources of the downloaded sets.

The stand-ins have the formats, names, counts and shapes of the real files, not their content.
"""

import gzip
import io
import struct
import tarfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.io import wavfile

SPEAKERS = ("ann", "bob", "cai", "dee", "eve", "fay")
RATE = 8000


class FileServer:
    """Serves bytes by path; a path may fail, or break off half-way."""

    def __init__(self):
        self.files, self.requests = {}, Counter()
        self.broken, self.failures = set(), Counter()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.lstrip("/")
                owner.requests[path] += 1
                content = owner.files.get(path)
                if owner.failures[path] > 0 or content is None:
                    owner.failures[path] -= 1
                    self.send_error(503 if content is not None else 404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if path in owner.broken else content)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = FileServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mfeat_arrays():
    rng = np.random.default_rng(0)
    arrays = {"pix": rng.integers(0, 7, size=(2000, 240))}
    for name, width in {"fou": 76, "fac": 216, "zer": 47, "kar": 64, "mor": 6}.items():
        arrays[name] = np.round(rng.normal(size=(2000, width)), 3)
    return arrays


@pytest.fixture(scope="session")
def mfeat_texts(mfeat_arrays):
    """The six files: columns of numbers, no header, no labels."""
    texts = {}
    for name, values in mfeat_arrays.items():
        stream = io.StringIO()
        np.savetxt(stream, values, fmt="%3d" if name == "pix" else "%9.3f", delimiter="  ")
        texts[f"mfeat-{name}"] = stream.getvalue().encode()
    return texts


@pytest.fixture(scope="session")
def mfeat_zip(mfeat_texts):
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, text in {**mfeat_texts, "mfeat.info": b"about"}.items():
            archive.writestr(name, text)
    return stream.getvalue()


def _tone(digit, speaker, take):
    """A recording of its own pitch and length, with a little noise."""
    rng = np.random.default_rng([digit, speaker, take])
    t = np.arange(1200 + 10 * take) / RATE
    wave = np.sin(2 * np.pi * (300 + 300 * digit) * t) + 0.01 * rng.standard_normal(len(t))
    return (8000 * wave).astype(np.int16)


@pytest.fixture(scope="session")
def tone():
    return _tone


@pytest.fixture(scope="session")
def speakers():
    return SPEAKERS


@pytest.fixture(scope="session")
def recordings_archive():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:

        def add(name, content):
            entry = tarfile.TarInfo(f"free-spoken-digit-dataset-1.0.10/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        add("README.md", b"about")
        add("acquire_data/0_ann_0.wav.py", b"pass")
        # in an order that is not the sorted one
        for take in reversed(range(50)):
            for s, speaker in enumerate(SPEAKERS):
                for digit in range(10):
                    wav = io.BytesIO()
                    wavfile.write(wav, RATE, _tone(digit, s, take))
                    add(f"recordings/{digit}_{speaker}_{take}.wav", wav.getvalue())
    return stream.getvalue()


def _idx(array):
    """The IDX form of an array of bytes, gzipped."""
    head = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes(), compresslevel=1)


@pytest.fixture(scope="session")
def idx():
    return _idx


@pytest.fixture(scope="session")
def mnist_labels():
    return np.random.default_rng(0).permutation(np.repeat(np.arange(10, dtype=np.uint8), 400))


@pytest.fixture(scope="session")
def mnist_files(mnist_labels):
    """Images that show their label and their row number in their first pixels."""
    rows = np.arange(len(mnist_labels))
    images = np.zeros((len(rows), 28, 28), dtype=np.uint8)
    images[:, 0, 0] = mnist_labels
    images[:, 0, 1], images[:, 0, 2] = rows // 256, rows % 256
    return _idx(images), _idx(mnist_labels)
