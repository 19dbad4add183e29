"""Why something does not work: what is known of a yard is gathered, and the cause is named with the next command."""
