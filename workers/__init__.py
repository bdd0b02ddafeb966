"""WHERE: the Celery app and the life of a worker process."""
