"""The name of the debugger's module, for code that imports it. Inrush has no debugger of its own: it is
empty."""
