"""What comes from oc-mirror: image sets, and what they select from operator catalogs and releases.

`imageset` (with `release_selection`) is what an image set says, `file_based_catalog` what a catalog holds, `selection`
(with `channels`, `semver`) what the one selects from the other; `releases` is what a release image holds,
`release_images` what its images are called; `set_images` all images that this comes to. Files come out of images by
`layers`.
"""
