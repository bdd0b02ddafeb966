"""`underbutler token`: bearer tokens of the submission API."""
