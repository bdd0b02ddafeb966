"""UWS 1.1 under ``/async`` and ``/sync``, and VOSI: jobs as the Virtual Observatory has them."""
