"""What the page shows beyond words, figures and tables: the first screen, and the model itself."""
