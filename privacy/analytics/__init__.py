"""Our own product analytics: page views and features used, counted by day, about nobody.

No cookie, no address, no browser's name is stored. How many people came in a day is the number of
different marks, made with a secret of that day; the secret is thrown away with the day, and then
nobody can make yesterday's marks again. Who sends Do Not Track or Global Privacy Control is not
counted. Counts are of use to us and of no consequence to anybody: a process that dies takes its
last minute with it, and a server that crashes the day's marks.
"""
