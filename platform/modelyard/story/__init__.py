"""The story that `invoke demo` tells: chapters, the claims that they make, and the report that shows them."""
