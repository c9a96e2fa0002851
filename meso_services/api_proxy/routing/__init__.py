"""Which upstream a request goes to, and why."""
