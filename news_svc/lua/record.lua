-- Keep an event among its author's latest. Answer 1 if it belongs into feeds, 0 if it is a
-- duplicate: the same event at a second place in the stream, or one older than what is known.
-- A redelivery (same place) belongs into feeds: the first delivery may have died half-way.
-- KEYS: author:<name>, author-events:<name>, author-version:<name>
-- ARGV: event id, sequence, version, body, feed length
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if known then
  return tonumber(known) == tonumber(ARGV[2]) and 1 or 0
end
if tonumber(ARGV[3]) <= tonumber(redis.call('GET', KEYS[3]) or 0) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
redis.call('SET', KEYS[3], ARGV[3])
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -ARGV[5] - 1)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return 1
