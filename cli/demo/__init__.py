"""``paperfeed demo``: sample papers, a real server, a real database and the real encoder, from import to mail."""
