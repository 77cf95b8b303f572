"""What happens: plan, copy, fail over, confirm."""
