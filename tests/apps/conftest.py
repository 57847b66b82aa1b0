"""The applications' own tests run in their test gates."""

collect_ignore_glob = ["*"]
