"""What comes from oc-mirror: image sets, and what they select from operator catalogs.

`imageset` is what an image set says, `file_based_catalog` what a catalog holds, `selection` (with `channels`, `semver`)
what the one selects from the other, `set_images` all images that this comes to. A catalog's files come out of the image
by `layers`, as those of any image would that names other images: a release payload would stand beside
`file_based_catalog`.
"""
