"""Going on: resume, hand off, pick up."""
