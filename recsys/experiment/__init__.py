"""The experiment as a typed value, and what runs one model of it in a process of its own."""
