"""BUILD files as text that is read, edited and written back; comments and form stay."""
