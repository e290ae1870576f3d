"""What files could do when they are loaded: findings from bytes, without importing or running anything."""
