"""Pages, one file a page action. A GET changes nothing."""
