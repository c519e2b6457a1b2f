-- Begin a feed, or join in making it. Answer the tick at which it was begun, 0 if it is complete,
-- nothing if there is no horizon yet: what is gathered must reach as far.
-- ARGV: username
local feed = 'feed:' .. ARGV[1]
local begun, complete = state_of(ARGV[1], now())
if not horizon() then
  return nil
end
if complete then
  return 0
end
if not begun then
  begun = redis.call('HINCRBY', 'clock', 'tick', 1)
  redis.call('DEL', feed)
  redis.call('ZADD', feed, -begun, 'incomplete')
end
return begun
