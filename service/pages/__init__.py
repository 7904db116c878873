"""The gateway's own pages: the list of audits, and one audit while it goes on. ``live.js`` keeps them current."""
