"""What the substrate `local` needs to be a KServe on one machine; reached only through its Kubernetes API."""
