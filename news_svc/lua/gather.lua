-- Bring the latest events of some authors into a feed, but not of one who was left meanwhile.
-- KEYS: feed:<follower>, follows:<follower>, then author:<name> for each author
-- ARGV: feed length, then the authors' names
local length = ARGV[1]
for i = 2, #ARGV do
  local version = redis.call('HGET', KEYS[2], ARGV[i])
  if not version or tonumber(version) > 0 then
    -- In a full feed nothing below its first event could stay.
    local first = redis.call('ZRANGE', KEYS[1], -length, -length, 'WITHSCORES')
    local latest = redis.call('ZRANGE', KEYS[i + 1], '+inf', first[2] or '-inf',
      'BYSCORE', 'REV', 'LIMIT', 0, length, 'WITHSCORES')
    for j = 1, #latest, 2 do
      redis.call('ZADD', KEYS[1], latest[j + 1], ARGV[i] .. '/' .. latest[j])
    end
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -length - 1)
  end
end
