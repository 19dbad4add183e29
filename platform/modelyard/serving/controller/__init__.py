"""The controller: makes what runs what the InferenceServices ask for."""
