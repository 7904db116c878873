"""Where is a memory? The three indications of Kowalczuk et al., Finding DoRI (arXiv 2507.16880)."""
