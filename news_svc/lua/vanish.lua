-- Keep nothing of a person, and for a day take in none of their events up to a sequence: a process
-- that was frozen may still have one in hand.
-- ARGV: username, sequence
redis.call('SET', 'gone:' .. redis.sha1hex(ARGV[1]), ARGV[2], 'EX', 86400)
redis.call('DEL', 'author:' .. ARGV[1], 'author-events:' .. ARGV[1], 'feed:' .. ARGV[1])
