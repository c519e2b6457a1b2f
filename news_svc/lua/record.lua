-- Keep an event among its author's latest. Answer 1 if it belongs into feeds, 0 if it is a
-- duplicate: the same event at a second place in the stream, or one older than what is known.
-- A redelivery (same place) belongs into feeds: the first delivery may have died half-way.
-- ARGV: feed length, author, event id, sequence, version, body
local length, author, id, sequence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local latest, bodies = 'author:' .. author, 'author-events:' .. author
local version = 'author-version:' .. author

local known = redis.call('ZSCORE', latest, id)
if known then
  return tonumber(known) == tonumber(sequence) and 1 or 0
end
if tonumber(ARGV[5]) <= tonumber(redis.call('GET', version) or 0) then
  return 0
end
redis.call('ZADD', latest, sequence, id)
redis.call('HSET', bodies, id, ARGV[6])
redis.call('SET', version, ARGV[5])
for _, old in ipairs(redis.call('ZRANGE', latest, 0, -length - 1)) do
  redis.call('ZREM', latest, old)
  redis.call('HDEL', bodies, old)
end
return 1
