"""OpenStack Swift with its S3 API, run from the programs of the machine."""
