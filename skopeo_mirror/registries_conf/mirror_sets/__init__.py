"""OpenShift's mirror sets: the objects, their meaning, and the configuration that OpenShift makes of them."""
