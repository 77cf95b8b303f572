"""The test rig: real registries, a faulty one, images and certificates, all on loopback and gone afterwards."""
