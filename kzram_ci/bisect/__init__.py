"""Layer 5: finding the commit that made a flaky crash appear."""
