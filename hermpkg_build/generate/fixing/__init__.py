"""BUILD files mended until their targets build, or a person must decide."""
