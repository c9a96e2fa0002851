"""What can be asked of a session afterwards. Everything here reads, and changes nothing."""
