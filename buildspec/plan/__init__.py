"""A checked specification and facts in, the Plan out: everything a build will do, resolved and printable."""
