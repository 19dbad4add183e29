"""The edges of the autoscaler: what replicas and activator tell, and when it is asked."""
