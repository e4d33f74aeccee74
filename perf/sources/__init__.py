"""Sources that run inside the engines, written as a user writes them, for every rival the same."""
