"""`python -m skopeo_mirror` is the same program as `skopeo-mirror`."""

from skopeo_mirror.cli import main

if __name__ == "__main__":
    main()
