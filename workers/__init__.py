"""WHERE: the Celery app and the life of a worker process. May import tasks and underbutler."""
