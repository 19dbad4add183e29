"""`python -m modelyard.serving.activator`."""

from modelyard.serving.activator.service import main

main()
