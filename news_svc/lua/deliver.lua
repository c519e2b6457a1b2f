-- Write one event into many feeds, except of those that are lost and those begun after it was
-- recorded: these take it from its author's latest, if their owner still follows the author.
-- ARGV: feed length, time of its record, feed member, sequence, then the followers
local moment, member, sequence, surplus = tonumber(ARGV[2]), ARGV[3], ARGV[4], -ARGV[1] - 1
local epoch = now()
for i = 5, #ARGV do
  local begun = state_of(ARGV[i], epoch)
  if begun and begun <= moment then
    local feed = 'feed:' .. ARGV[i]
    redis.call('ZADD', feed, sequence, member)
    redis.call('ZREMRANGEBYRANK', feed, 1, surplus)
  end
end
