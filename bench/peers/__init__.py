"""Whom we are compared with: normalize, decorate and sink as others would build them."""
