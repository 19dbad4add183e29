"""What holds for every test."""

import signal

# A job in the background of a plain shell ignores SIGINT, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
