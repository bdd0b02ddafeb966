"""The annex's buckets: what they are called, and how one is made."""

from __future__ import annotations

from botocore.exceptions import ClientError

from underbutler.errors import ConflictError
from underbutler.model.naming import bucket_of
from underbutler.s3 import S3Client, error_code, translate_s3_errors
from underbutler.settings import Settings

__all__ = ["bucket_for", "ensure_bucket"]


def bucket_for(settings: Settings, instrument: str) -> str:
    """Return the name of the bucket that holds an instrument's products at this site."""
    return bucket_of(
        instrument,
        s3instance=settings.s3_instance,
        s3category=settings.s3_category,
        layout=settings.annex_layout,
    )


def ensure_bucket(client: S3Client, name: str) -> bool:
    """Make a bucket unless it is there; for `repo create` and `up` only, workers never make one.

    Returns
    -------
    bool
        Whether it was made now. Stores that answer a second creation with success (moto, AWS in us-east-1) also
        give True.

    Raises
    ------
    ConflictError
        If the bucket belongs to somebody else.
    AnnexUnavailableError
        If the store does not answer.
    """
    region = client.meta.region_name
    place = {} if region in {None, "us-east-1"} else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with translate_s3_errors(client, bucket=name):
        try:
            client.create_bucket(Bucket=name, **place)
        except ClientError as error:
            if error_code(error) == "BucketAlreadyOwnedByYou":
                return False
            if error_code(error) == "BucketAlreadyExists":
                raise ConflictError(
                    f"The bucket {name!r} belongs to another account of {client.meta.endpoint_url}. Bucket names are "
                    "shared by all users of a store: set UNDERBUTLER_S3_INSTANCE to a site name of your own.",
                    bucket=name,
                ) from error
            raise
    return True
