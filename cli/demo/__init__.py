"""``paperfeed demo``: the whole way on sample papers, with a real server, a real database and the real encoder."""
