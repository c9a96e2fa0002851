"""Answers that are given again, where a route allows it."""
