"""The pages that mails link to. They work without JavaScript, set no cookie and ask nobody else for anything.

GET never acts: mail scanners follow every link. It shows a page whose button POSTs. The one exception is the click
redirect, which records at most one weak click per paper and hour.
"""
