"""`python -m modelyard.serving.replicas`."""

from modelyard.serving.replicas.parent import main

main()
