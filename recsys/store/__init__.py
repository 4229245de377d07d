"""Content-addressed folders: a key names what went in, a digest names what came out."""

from recsys.store.folders import Ref, Store
from recsys.store.keys import code_digest, digest, file_digest

__all__ = ["Ref", "Store", "code_digest", "digest", "file_digest"]
