"""Runs in folders of files: JSONL and MessagePack as suitcase writes them, an index over them, and export."""
