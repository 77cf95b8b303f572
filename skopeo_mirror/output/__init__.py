"""What people and machines see: the report, text and progress, the redirect."""
