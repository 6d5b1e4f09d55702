"""The page to read on: a user's feed, search, saved papers and interests, a sign-in by mail, and an Atom feed.

The pages work without JavaScript: every button is a form whose answer is a redirect. ``static/reading.js`` only makes
them faster. Reactions, follows and impressions go straight to the feed service; nothing is stored here.
"""
