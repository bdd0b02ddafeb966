"""What tests share: sites, services, rows that are known by hand, and programs that tests run."""
