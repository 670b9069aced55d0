"""Puts fieldkit into the packages that routers and laptops install.

Everything is data until the last step: a ``Tree`` of files by path, made of this repository (``contents``) and of
wheels (``wheels``), goes into an archive format: ``deb``, ``ipk``, ``apk``, ``oci``, ``ncos``. Nothing of the machine
that builds gets in, neither names nor times: built twice, the files are equal. Beside each stand its bill of materials
(``sbom``) and its checksum.

Only the standard library is used, and pip to fetch wheels, so that any machine can build for any other.
"""
