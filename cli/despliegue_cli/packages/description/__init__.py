"""What a package says of itself: its card, a public example, calls and events made of that, the baseline profile."""
