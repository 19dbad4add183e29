"""What an InferenceService asks for: what a replica must be, and what only a cluster serves."""
