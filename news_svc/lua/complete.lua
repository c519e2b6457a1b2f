-- Say that a feed is complete. Answer 0 if it was dropped or lost meanwhile, else 1.
-- ARGV: username, tick at which it was begun
local feed = 'feed:' .. ARGV[1]
local begun = state_of(ARGV[1], now())
if begun ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', feed, -begun, 'complete')
redis.call('ZREM', feed, 'incomplete')
return 1
