"""What reaches the users: bundles of a stored model and histories, served over HTTP or published as lists."""
