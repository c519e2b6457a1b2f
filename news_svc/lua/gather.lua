-- Bring the latest events of some authors into a feed, but not of one who was left meanwhile.
-- ARGV: feed length, follower, then the authors
local length, follower, feed = ARGV[1], ARGV[2], 'feed:' .. ARGV[2]
for i = 3, #ARGV do
  local author = ARGV[i]
  local version = redis.call('HGET', 'followers:' .. author, follower)
  if not version or tonumber(version) > 0 then
    -- In a full feed nothing below its first event could stay.
    local first = redis.call('ZRANGE', feed, -length, -length, 'WITHSCORES')
    local latest = redis.call('ZRANGE', 'author:' .. author, '+inf', first[2] or '-inf',
      'BYSCORE', 'REV', 'LIMIT', 0, length, 'WITHSCORES')
    for j = 1, #latest, 2 do
      redis.call('ZADD', feed, latest[j + 1], author .. '/' .. latest[j])
    end
    redis.call('ZREMRANGEBYRANK', feed, 0, -length - 1)
  end
end
