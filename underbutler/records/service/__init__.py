"""The service around the jobs: workers, circuit breakers, access tokens."""
