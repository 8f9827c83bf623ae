"""ImageNet (ILSVRC 2012) as record files: from the tar files of image-net.org, or from TFRecord files of TFDS."""
