-- Note that somebody follows an author or has left; leaving takes the author out of the feed.
-- Answer 0 if a later change of the two is known already, else 1.
-- ARGV: follower, author, version of the change, negative for leaving
local followers, version = 'followers:' .. ARGV[2], tonumber(ARGV[3])
local last = tonumber(redis.call('HGET', followers, ARGV[1]) or 0)
if math.abs(version) < math.abs(last) then
  return 0
end
redis.call('HSET', followers, ARGV[1], ARGV[3])
if version < 0 then
  local feed, prefix = 'feed:' .. ARGV[1], ARGV[2] .. '/'
  for _, member in ipairs(redis.call('ZRANGE', feed, 0, -1)) do
    if string.sub(member, 1, #prefix) == prefix then
      redis.call('ZREM', feed, member)
    end
  end
end
return 1
