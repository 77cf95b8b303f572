"""Where images go: a registry, an OCI layout, or a directory an image; one interface, a module for each.

A registry publishes an image by itself, when its manifest arrives. The two kinds of directory are staged and
published by rename, so that what was there stays whole until its successor is.
"""
