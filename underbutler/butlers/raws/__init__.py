"""Raw frames of a repository: which exposure a file is, the records that it needs, and what is there."""
