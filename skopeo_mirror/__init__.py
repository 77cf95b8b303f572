"""Copy container images through registries.conf with skopeo, and prove which mirror served each."""

__version__ = "0.1.0"
