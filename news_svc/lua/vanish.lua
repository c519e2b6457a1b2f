-- Keep nothing of a person, and for a day take in none of their events up to a sequence: a process
-- that was frozen may still have one in hand.
-- ARGV: username, sequence
local number = redis.call('HGET', 'authors', ARGV[1])
if number then
  redis.call('HDEL', 'authors', ARGV[1], '#' .. number)
end
redis.call('SET', 'gone:' .. redis.sha1hex(ARGV[1]), ARGV[2], 'EX', 86400)
redis.call('DEL', 'latest:' .. ARGV[1], 'events:' .. ARGV[1])
lose(ARGV[1])
