"""HTML for people: how it looks (``look``), what the page of a report shows (``report_page`` and its parts).

Pages need no script, no network and no build step; every text in them is escaped.
"""
