"""The web pages that mails link to. They need no JavaScript, set no cookie and load nothing from other sites.

Mail scanners follow every link, so GET changes nothing: it shows a page with a button that sends POST. The one
exception is the click redirect, which records at most one click per paper and hour.
"""
