-- Write events into many feeds, except into those that are lost, and of each event those begun after
-- it was recorded: these take it from its author's latest, if their owner still follows the author.
-- ARGV: feed length, number of events, for each the time of its record, feed member and sequence,
-- then the followers
local surplus, last = -ARGV[1] - 1, 2 + 3 * ARGV[2]
local epoch = now()
for i = last + 1, #ARGV do
  local begun = state_of(ARGV[i], epoch)
  local rows = {}
  for j = 3, last, 3 do
    if begun and begun <= tonumber(ARGV[j]) then
      table.insert(rows, ARGV[j + 2])
      table.insert(rows, ARGV[j + 1])
    end
  end
  if #rows > 0 then
    local feed = 'feed:' .. ARGV[i]
    redis.call('ZADD', feed, unpack(rows))
    redis.call('ZREMRANGEBYRANK', feed, 1, surplus)
  end
end
