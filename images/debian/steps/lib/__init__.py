"""What several steps share: archives, ELF, tables, and the door to the tools."""
