"""The large file annex: bucket, delivery, notices. May import broker, model and what is below."""
