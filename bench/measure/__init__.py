"""What is measured, in which order, and how."""
