"""What a task author subclasses. No queue, no S3. May import butlers and what is below."""
