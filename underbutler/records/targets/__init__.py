"""The way of targets: recorded, sent, claimed, left waiting, cancelled, ended."""
