"""The platform's own code on public data, beside what others published: `pdmctl benchmark`."""
