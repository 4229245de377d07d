"""Content-addressed folders: a key names what went in, a digest names what came out."""

from recsys.store.folders import Ref, Store
from recsys.store.keys import code_digest, digest, file_digest
from recsys.store.plain import KeyTwiceError, is_format, plain_json
from recsys.store.replacing import replacing

__all__ = [
    "KeyTwiceError",
    "Ref",
    "Store",
    "code_digest",
    "digest",
    "file_digest",
    "is_format",
    "plain_json",
    "replacing",
]
