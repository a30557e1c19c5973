"""What every package builds on: it knows no network, no layer and no data."""
