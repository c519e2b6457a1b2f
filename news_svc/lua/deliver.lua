-- Write one event into many feeds, but not into that of somebody who has left its author.
-- ARGV: feed length, author, feed member, sequence, then the followers (some thousands at most)
local member, sequence, surplus = ARGV[3], ARGV[4], -ARGV[1] - 1
local changes = redis.call('HMGET', 'followers:' .. ARGV[2], unpack(ARGV, 5))
for i = 5, #ARGV do
  local version = changes[i - 4]
  if not version or tonumber(version) > 0 then
    local feed = 'feed:' .. ARGV[i]
    redis.call('ZADD', feed, sequence, member)
    redis.call('ZREMRANGEBYRANK', feed, 0, surplus)
  end
end
