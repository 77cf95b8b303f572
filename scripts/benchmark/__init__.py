"""The benchmark behind `scripts/bench`: what skopeo-mirror costs, beside skopeo alone, on one machine in one go."""
