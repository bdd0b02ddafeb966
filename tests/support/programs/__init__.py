"""What tests run as programs and Celery applications of their own."""
