"""What the commands do: reading arguments, calling the library, printing."""
