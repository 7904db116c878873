"""Measurements that end up as documents: raw rows in docs/results/raw, pages rendered from them."""
