"""Nothing to run: the profile is a file beside the manifest. pip installs packages, so there is one."""
