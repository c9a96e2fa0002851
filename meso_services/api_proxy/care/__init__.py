"""Care: who may ask how much, how often and for how much money, and what is written down of it."""
