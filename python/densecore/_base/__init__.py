"""The foundation of every package: it knows no network, no layer and no data."""
