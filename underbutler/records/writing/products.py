"""Products in a chain of writes: recorded with the delivery's begin and again, delivered, with the target's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Engine

from underbutler.chain import Kind, rows_parameter
from underbutler.records.values.jobs import Product

__all__ = ["FOREIGN_PRODUCT", "PRODUCT", "RECORD_PRODUCTS", "product_rows"]

PRODUCT: Final[Mapping[str, Kind]] = {
    "dataset_id": "uuid",
    "dataset_type": "text",
    "data_id": "json",
    "large": "boolean",
    "url": "text",
    "byte_size": "bigint",
    "sha256": "text",
    "etag": "text",
    "mime_type": "text",
}

_PRODUCT_COLUMNS = ", ".join(PRODUCT)
_MADE = ", ".join(f"made.{name}" for name in PRODUCT)
RECORD_PRODUCTS: Final = f"""INSERT INTO product (target_id, claim_no, delivered_at, {_PRODUCT_COLUMNS})
            SELECT first.id, first.claim_no, CASE WHEN made.url IS NOT NULL THEN first.moment END, {_MADE}
            FROM first, {{products}} AS made WHERE true
            ON CONFLICT (dataset_id) DO UPDATE SET
                target_id = CASE WHEN product.target_id = excluded.target_id THEN product.target_id END,
                claim_no = excluded.claim_no, large = excluded.large, url = excluded.url,
                byte_size = excluded.byte_size, sha256 = excluded.sha256, etag = excluded.etag,
                mime_type = excluded.mime_type,
                delivered_at = excluded.delivered_at"""  # noqa: S608 - our own column names
# A dataset that another target made would make its target_id null: the constraint then undoes the whole chain.

FOREIGN_PRODUCT: Final = (
    "A dataset of this target is recorded as the product of another target. Give the job a RUN collection of its own "
    "(leave out -o)."
)


def product_rows(products: Sequence[Product], engine: Engine) -> str:
    """Return the parameter ``products`` of `RECORD_PRODUCTS`."""
    rows = {
        product.dataset_id: {name: getattr(product, name) for name in PRODUCT} | {"data_id": dict(product.data_id)}
        for product in products
    }
    return rows_parameter(rows.values(), PRODUCT, engine)
