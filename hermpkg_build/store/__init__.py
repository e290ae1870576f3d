"""What is kept between builds: contents by digest, action results, file digests, import facts."""
