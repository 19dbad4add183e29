"""What Knative's queue-proxy does, around the model server in its own process."""
