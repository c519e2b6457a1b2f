-- Begin a feed, or join in making it. Answer the tick at which it was begun, 0 if it is complete,
-- nothing if there is no horizon yet: what is gathered must reach as far.
-- ARGV: username, seconds after which a feed that nobody reads is lost
local begun, is_complete = state_of(ARGV[1], now())
if not horizon() then
  return nil
end
if is_complete then
  return 0
end
if not begun then
  begun = redis.call('HINCRBY', 'news-clock', 'tick', 1)
  lose(ARGV[1])
  redis.call('SET', 'news:' .. ARGV[1], head_of(false, begun, 0), 'EX', ARGV[2])
end
return begun
