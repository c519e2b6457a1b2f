-- Write one event into many feeds, but not into that of somebody who has left its author.
-- KEYS: feed:<follower>, follows:<follower>, for each follower
-- ARGV: author, feed member, sequence, feed length
local surplus = -ARGV[4] - 1
for i = 1, #KEYS, 2 do
  local version = redis.call('HGET', KEYS[i + 1], ARGV[1])
  if not version or tonumber(version) > 0 then
    redis.call('ZADD', KEYS[i], ARGV[3], ARGV[2])
    redis.call('ZREMRANGEBYRANK', KEYS[i], 0, surplus)
  end
end
