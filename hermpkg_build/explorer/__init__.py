"""Shows artifacts as pages to look at: one HTML file each, which works offline."""
