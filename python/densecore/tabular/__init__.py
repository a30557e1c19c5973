"""Tables: read from files, prepared for a network, and its outputs turned back into answers."""
