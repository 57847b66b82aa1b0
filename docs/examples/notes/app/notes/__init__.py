"""Keeps notes in memory: POST /notes adds one, GET /notes has all."""
