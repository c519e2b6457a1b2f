-- Say that a feed is complete. Answer 0 if it was dropped or lost meanwhile, else 1.
-- ARGV: username, tick at which it was begun
local begun, _, pulls = state_of(ARGV[1], now())
if begun ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('SETRANGE', 'news:' .. ARGV[1], 0, head_of(true, begun, pulls))
return 1
