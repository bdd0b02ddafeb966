"""How S3 is reached: one boto3 client per process, and what its errors mean.

The annex writes by it, the catalogue's handlers read by it.
"""

from .client import client_config, is_stale, make_client, make_resource, shared_client
from .connections import S3Client
from .refusals import error_code, translate_s3_errors

__all__ = [
    "S3Client",
    "client_config",
    "error_code",
    "is_stale",
    "make_client",
    "make_resource",
    "shared_client",
    "translate_s3_errors",
]
