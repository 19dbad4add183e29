"""Canary analysis: a part of the traffic goes to the candidate, a pure judge compares, then promote or roll back."""
