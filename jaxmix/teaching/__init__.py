"""What an instructor shows of mixtures and EM; notes/course.md has a line for each row."""

from jaxmix.teaching import bounds, clusters, demonstrations, means_only, mixtures

__all__ = ["bounds", "clusters", "demonstrations", "means_only", "mixtures"]
