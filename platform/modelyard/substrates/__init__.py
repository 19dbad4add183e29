"""The only modules that differ by substrate; each ends in a kubeconfig and a few addresses."""
