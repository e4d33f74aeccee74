"""What runs inside the engines: sources, written as a user writes them, for every rival the same."""
